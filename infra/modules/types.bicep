// Types of the parameters.

@export()
@description('A deployment of a model, in Foundry and in the settings of the app.')
type Deployment = {
  @description('Name of the deployment.')
  name: string

  @description('Name of the model in the catalogue. Default: the name of the deployment.')
  model: string?

  @description('Version of the model, for example 2026-04-21. Required for a deployment that is created here.')
  version: string?

  @description('Format of the model. Default: OpenAI.')
  format: ('OpenAI' | 'Microsoft' | 'Black Forest Labs')?

  @description('SKU of the deployment. Default: GlobalStandard.')
  sku: ('GlobalStandard' | 'DataZoneStandard' | 'Standard')?

  @description('Units of quota. Default: 1. What a unit allows depends on the model.')
  capacity: int?

  @description('Requests per minute that the quota allows. Default: the number in the catalogue.')
  rpm: int?

  @description('Pool of deployments that share a quota. Default: the name of the model.')
  pool: string?
}

@export()
@description('Warm instances of each group of functions: those that scale together. They cost money while they wait.')
type AlwaysReady = {
  @description('All functions with an HTTP trigger: the API and the gallery.')
  http: int?

  @description('Takes jobs from the queue.')
  intake: int?

  @description('Makes the paid calls.')
  generate: int?

  @description('Makes thumbnails and renditions.')
  finish: int?

  @description('Reads manifests.')
  batch: int?

  @description('Delivers events.')
  dispatch: int?

  @description('Checks open jobs every minute.')
  sweep: int?

  @description('Measures queues every five minutes.')
  watch: int?

  @description('Messages of intake that the platform gave up.')
  poison_intake: int?

  @description('The same of tasks.')
  poison_generate: int?

  @description('The same of renditions.')
  poison_finish: int?

  @description('The same of manifests.')
  poison_batch: int?

  @description('The same of deliveries.')
  poison_dispatch: int?
}

@export()
@description('Days after which a kind of blob is deleted. 0 keeps it forever.')
type Retention = {
  @description('Pictures and their sidecars.')
  images: int

  @description('Job records, kept at least as long as the pictures. A job id that is used again after this time counts as new and is paid again.')
  jobs: int

  @description('Prompts and pictures from callers.')
  inputs: int

  @description('Rejected, failed and poison messages and jobs.')
  deadLetters: int
}

// Settings of the app that an operator may set (docs/deploy.md). The defaults are in docs/settings.md.
@export()
@description('Settings of the app that an operator sets. The app does not start with a wrong one.')
type Tuning = {
  @description('Template that adapts a prompt to a locale: text that contains $prompt, or a file name.')
  LOCALE_TEMPLATE: string?

  @description('File in the package that adds or overrides models.')
  MODEL_CATALOGUE: string?

  @description('The source of every event.')
  EVENT_SOURCE: string?

  @description('Receivers of events: a JSON list. See docs/settings.md.')
  WEBHOOKS: string?

  @description('Patterns of allowed receiver hosts.')
  WEBHOOK_HOSTS: string?

  @description('Receiver hosts in the private network.')
  WEBHOOK_LOCAL_HOSTS: string?

  @description('Patterns of hosts where a job may link pictures to edit.')
  INPUT_HOSTS: string?

  @description('Such hosts in the private network.')
  INPUT_LOCAL_HOSTS: string?

  @description('Publish image.job.accepted too: true or false.')
  PUBLISH_ACCEPTED: string?

  @description('Publish image.picture.stored for each picture too: true or false.')
  PUBLISH_PICTURES: string?

  @description('Names of the settings with the secrets that sign callbacks of jobs.')
  CALLBACK_SECRETS: string?

  @description('How long a person may take to review the pictures of a job, seconds.')
  REVIEW_SECONDS: string?

  @description('How long a failing delivery is retried, seconds.')
  DELIVERY_WINDOW_SECONDS: string?

  @description('What to do if it is unknown whether a call was paid for: retry_once, park or fail.')
  ON_UNKNOWN_OUTCOME: string?

  @description('Longest time for one paid call, seconds.')
  CALL_DEADLINE_SECONDS: string?

  @description('Additional time for storing after a call, before its attempt counts as dead, seconds.')
  STORING_MARGIN_SECONDS: string?

  @description('No paid call in the first seconds of an invocation, which a drain may end.')
  CALL_GUARD_SECONDS: string?

  @description('How long before its call a task is delivered, seconds: as long as an instance takes to start.')
  LEAD_SECONDS: string?

  @description('Longest wait for a connection to an endpoint, seconds.')
  CONNECT_TIMEOUT_SECONDS: string?

  @description('Longest silence within a reply, seconds.')
  READ_TIMEOUT_SECONDS: string?

  @description('How long a job without a deadline is tried, seconds.')
  JOB_LIFETIME_SECONDS: string?

  @description('How long a link to a picture is valid, seconds. 0 disables links.')
  READ_LINK_SECONDS: string?

  @description('Who may use the OpenAI endpoints, and the key of each: a JSON object, or a reference to Key Vault.')
  OPENAI_KEYS: string?

  @description('How long a request there is held before the client is redirected, seconds.')
  OPENAI_WAIT_SECONDS: string?

  @description('Bytes of pictures that one response there may have as base64.')
  OPENAI_BASE64_BYTES: string?

  @description('Limit for the calls of one day (UTC), US dollars.')
  DAILY_BUDGET_USD: string?

  @description('Callers who share the quota: a JSON list. See docs/settings.md.')
  TENANTS: string?

  @description('What to do with jobs of other tenants: serve or reject.')
  UNKNOWN_TENANTS: string?

  @description('Who may use the HTTP API, and as whom: a JSON list. See docs/settings.md.')
  CALLERS: string?

  @description('The platform verifies sign-ins, so that the app believes them: true or false.')
  TRUST_SIGN_IN: string?

  @description('When a sweep checks open jobs: NCRONTAB, seconds first, UTC.')
  SWEEP_SCHEDULE: string?

  @description('Size of a block that is uploaded, bytes.')
  UPLOAD_BLOCK_BYTES: string?

  @description('Blocks of one picture that are uploaded at the same time.')
  UPLOAD_BLOCKS_IN_FLIGHT: string?

  @description('Blocks of all pictures in one process.')
  UPLOAD_BLOCK_POOL: string?
}
