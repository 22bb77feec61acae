// Shapes of the parameters that are more than one word.

@export()
@description('A deployment of a model: what is made of it in Foundry, and what the app is told of it.')
type Deployment = {
  @description('Name of the deployment, by which it is called.')
  name: string

  @description('Name of the model in the catalogue; the name of the deployment when left out.')
  model: string?

  @description('Version of the model, for example 2026-04-21. Needed for a deployment that is made here.')
  version: string?

  @description('Whose format the model has; OpenAI when left out.')
  format: ('OpenAI' | 'Microsoft' | 'Black Forest Labs')?

  @description('Where its quota lies; GlobalStandard when left out.')
  sku: ('GlobalStandard' | 'DataZoneStandard' | 'Standard')?

  @description('Units of quota to give it; 1 when left out. What a unit allows depends on the model.')
  capacity: int?

  @description('Requests a minute that the quota allows; the catalogue\'s number when left out.')
  rpm: int?

  @description('Deployments that share a quota share a pool; the name of the model when left out.')
  pool: string?
}

@export()
@description('Instances of each lane that are kept warm, and paid for while they wait.')
type AlwaysReady = {
  @description('Drafts: calls of up to about 45 seconds.')
  generate_small: int?

  @description('Calls of up to about two minutes.')
  generate_standard: int?

  @description('Longer calls: high quality and 4K.')
  generate_large: int?
}

@export()
@description('Days after which a kind of blob is deleted; 0 keeps it for ever.')
type Retention = {
  @description('Pictures and their sidecars.')
  images: int

  @description('Job records. A job id that comes again after this counts as new, and is paid for again.')
  jobs: int

  @description('Prompts and pictures that callers put in.')
  inputs: int

  @description('What was rejected, failed or given up on.')
  deadLetters: int
}

// Settings of the app that Azure has no value for: an operator may give them (docs/deploy.md).
// What is not given keeps the default of docs/settings.md.
@export()
@description('Settings of the app that are given by hand. The app refuses a wrong one at its start.')
type Tuning = {
  @description('How a prompt is adapted to a locale: text with $prompt in it, or the name of a file that has it.')
  LOCALE_TEMPLATE: string?

  @description('File in the package that adds or overrides models.')
  MODEL_CATALOGUE: string?

  @description('The source of every event.')
  EVENT_SOURCE: string?

  @description('Receivers of events: a JSON list, as docs/settings.md says.')
  WEBHOOKS: string?

  @description('Patterns of the hosts that receivers may be at.')
  WEBHOOK_HOSTS: string?

  @description('Hosts of the own network that receivers may be at.')
  WEBHOOK_LOCAL_HOSTS: string?

  @description('Publish image.job.accepted too: true or false.')
  PUBLISH_ACCEPTED: string?

  @description('How long an event is offered to a sink that does not take it, seconds.')
  DELIVERY_WINDOW_SECONDS: string?

  @description('What is done when it is unknown whether a call was paid: retry_once, park or fail.')
  ON_UNKNOWN_OUTCOME: string?

  @description('Upper bound of one paid call, seconds.')
  CALL_DEADLINE_SECONDS: string?

  @description('What storing may take beyond a call, before its attempt counts as dead, seconds.')
  STORING_MARGIN_SECONDS: string?

  @description('How long an endpoint may take to accept a connection, seconds.')
  CONNECT_TIMEOUT_SECONDS: string?

  @description('How long a reply that has begun may stay silent, seconds.')
  READ_TIMEOUT_SECONDS: string?

  @description('How long a job without a deadline is tried, seconds.')
  JOB_LIFETIME_SECONDS: string?

  @description('How long a link to a picture lasts, seconds; none are given at 0.')
  READ_LINK_SECONDS: string?

  @description('What the calls of one day (UTC) may cost together, US dollars.')
  DAILY_BUDGET_USD: string?

  @description('When open jobs are looked at: NCRONTAB, seconds first, UTC.')
  SWEEP_SCHEDULE: string?

  @description('Size of a block on its way into storage, bytes.')
  UPLOAD_BLOCK_BYTES: string?

  @description('Blocks of one picture under way.')
  UPLOAD_BLOCKS_IN_FLIGHT: string?

  @description('Blocks of all pictures of a process together.')
  UPLOAD_BLOCK_POOL: string?
}
