// Image Jobs on Azure, in one resource group: `azd up` (docs/deploy.md).
targetScope = 'resourceGroup'

import { eventQueues, jobQueues, labelledContainers, readContainers, undeliveredContainer, waitingQueues, writtenContainers } from 'modules/layout.bicep'
import { AlwaysReady, Deployment, Retention, Tuning } from 'modules/types.bicep'

@description('Name of the azd environment.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Region. It must have the models and Flex Consumption.')
param location string = resourceGroup().location

@description('Principal that deploys. It gets the right to send jobs and read their results. Nobody if empty.')
param principalId string = ''

@description('Type of that principal.')
param principalType 'User' | 'ServicePrincipal' = 'User'

@description('Models to deploy, or the deployments of the existing account. Default: one gpt-image-2.')
param deployments Deployment[]?

@description('Resource id of an existing Foundry account. If empty, a new one is created.')
param foundryAccountId string = ''

@description('Settings of the app that an operator sets.')
param tuning Tuning?

@description('Queues to create that a job may name in reply_to.')
param replyQueues string[]?

@description('Subscribers of an Event Grid topic for events. If left out, no topic is created.')
param eventSubscribers { name: string, endpoint: string, types: string[]?, tenant: string? }[]?

@description('Memory of an instance, MB. An instance runs at most 28 calls, a few MB each.')
param instanceMemoryMB 512 | 2048 | 4096 = 2048

@description('Most instances of each function. Every region allows 40, enough for 600 calls a minute; 100 for more. Pacing keeps to the quota, not this limit.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Warm instances of each group of functions. None by default: a cold start is short compared with a call.')
param alwaysReady AlwaysReady?

@description('Public ranges that may call over HTTP, for example 203.0.113.7/32. All by default.')
param httpIpRanges string[]?

@description('Client id of the app registration that callers over HTTP sign in with. If empty, the function key is enough.')
param signInClientId string = ''

@description('public: anyone with an identity and a role can connect. private: only private endpoints.')
param network 'public' | 'private' = 'public'

@description('Address range of the private network.')
param networkRange string = '10.40.0.0/24'

@description('Public addresses or ranges that may still reach private storage and Foundry.')
param allowedIpRanges string[]?

@description('Redundancy of the storage of jobs and pictures.')
param dataRedundancy 'Standard_LRS' | 'Standard_ZRS' | 'Standard_GRS' | 'Standard_GZRS' = 'Standard_LRS'

@description('How long blobs are kept. Pictures are kept forever by default.')
param retention Retention?

@description('Email address that receives alerts. Nobody if empty.')
param alertEmail string = ''

@description('Alert if the oldest waiting message is older, seconds.')
param oldestMessageSeconds int = 1800

@description('Alert if the calls of 24 hours may have cost more, USD.')
param dailySpendUsd int = 50

@description('Monthly budget of the resource group, in the currency of the bill.')
param monthlyBudget int = 200

@description('First month of the budget, kept from the first deployment.')
param budgetStart string = ''

@description('First day of this month. Do not set it.')
param thisMonth string = utcNow('yyyy-MM-01')

var token = uniqueString(resourceGroup().id, environmentName)
var tags = { 'azd-env-name': environmentName, application: 'image-jobs' }
var dataAccountName = 'stdata${token}'
var hostAccountName = 'sthost${token}'
var packageContainer = 'package'
var topicName = eventSubscribers == null ? '' : 'evgt-image-jobs-${token}'

// A quota of the first tier allows six requests a minute.
var models = deployments ?? [{ name: 'gpt-image-2', version: '2026-04-21' }]
var foundryId = empty(foundryAccountId)
  ? resourceId('Microsoft.CognitiveServices/accounts', 'aif-${token}')
  : foundryAccountId
var days = retention ?? { images: 0, jobs: 0, inputs: 30, deadLetters: 90 }
// A record never goes before its pictures: who sent its job again would find them, and not know whose.
var jobDays = min(days.images, days.jobs) == 0 ? 0 : max(days.images, days.jobs)
var triggerQueues = objectValues(jobQueues)

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-image-jobs-${token}'
  location: location
  tags: tags
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  params: { location: location, tags: tags, token: token }
}

module hostStorage 'modules/storage.bicep' = {
  name: 'host-storage'
  params: {
    location: location
    tags: tags
    name: hostAccountName
    redundancy: 'Standard_LRS'
    containers: [packageContainer]
    network: network
    allowedIpRanges: allowedIpRanges ?? []
  }
}

module dataStorage 'modules/storage.bicep' = {
  name: 'data-storage'
  params: {
    location: location
    tags: tags
    name: dataAccountName
    redundancy: dataRedundancy
    containers: concat(
      objectValues(writtenContainers),
      objectValues(labelledContainers),
      objectValues(readContainers),
      [undeliveredContainer]
    )
    // A union, because a reply queue may be one of the others.
    queues: union(
      triggerQueues,
      map(triggerQueues, queue => '${queue}-poison'),
      objectValues(eventQueues),
      objectValues(waitingQueues),
      replyQueues ?? []
    )
    deletions: [
      { path: labelledContainers.IMAGES_CONTAINER, days: days.images }
      { path: writtenContainers.JOBS_CONTAINER, days: jobDays }
      // A job with `reuse` finds no older pictures.
      { path: '${writtenContainers.JOBS_CONTAINER}/reuse', days: 365 }
      { path: readContainers.INPUTS_CONTAINER, days: days.inputs }
      { path: writtenContainers.DEAD_LETTERS_CONTAINER, days: days.deadLetters }
      { path: readContainers.MANIFESTS_CONTAINER, days: days.inputs }
      { path: undeliveredContainer, days: days.deadLetters }
    ]
    network: network
    allowedIpRanges: allowedIpRanges ?? []
  }
}

module foundry 'modules/foundry.bicep' = if (empty(foundryAccountId)) {
  name: 'foundry'
  params: {
    location: location
    tags: tags
    name: 'aif-${token}'
    deployments: models
    network: network
    allowedIpRanges: allowedIpRanges ?? []
  }
}

module foundryAccess 'modules/foundry-access.bicep' = {
  name: 'foundry-access'
  scope: resourceGroup(split(foundryId, '/')[2], split(foundryId, '/')[4])
  dependsOn: [foundry]
  params: {
    accountName: last(split(foundryId, '/'))
    principalId: identity.properties.principalId
    deployments: models
  }
}

module topics 'modules/topics.bicep' = {
  name: 'topics'
  params: {
    location: location
    tags: tags
    token: token
    dataAccountName: dataStorage.outputs.name
    eventTopicName: topicName
  }
}

module eventAccess 'modules/event-access.bicep' = {
  name: 'event-access'
  params: {
    dataAccountName: dataStorage.outputs.name
    fileTopicPrincipalId: topics.outputs.fileTopicPrincipalId
    eventTopicPrincipalId: topics.outputs.eventTopicPrincipalId
  }
}

module privateNetwork 'modules/network.bicep' = if (network == 'private') {
  name: 'network'
  dependsOn: [foundry]
  params: {
    location: location
    tags: tags
    token: token
    addressRange: networkRange
    hostAccountId: hostStorage.outputs.id
    dataAccountId: dataStorage.outputs.id
    foundryAccountId: foundryId
  }
}

module access 'modules/access.bicep' = {
  name: 'access'
  dependsOn: [topics]
  params: {
    appPrincipalId: identity.properties.principalId
    operatorPrincipalId: principalId
    operatorType: principalType
    hostAccountName: hostStorage.outputs.name
    dataAccountName: dataStorage.outputs.name
    replyQueues: replyQueues ?? []
    insightsName: monitoring.outputs.insightsName
    topicName: topicName
  }
}

module app 'modules/app.bicep' = {
  name: 'app'
  dependsOn: [access]
  params: {
    location: location
    tags: tags
    token: token
    identityId: identity.id
    identityClientId: identity.properties.clientId
    hostBlobUri: hostStorage.outputs.blobUri
    packageUri: '${hostStorage.outputs.blobUri}${packageContainer}'
    blobUri: dataStorage.outputs.blobUri
    queueUri: dataStorage.outputs.queueUri
    deployments: foundryAccess.outputs.deployments
    replyQueues: replyQueues ?? []
    topicEndpoint: topics.outputs.eventTopicEndpoint
    insightsConnectionString: monitoring.outputs.connectionString
    tuning: tuning ?? {}
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReady: alwaysReady ?? {}
    httpIpRanges: httpIpRanges ?? []
    signInClientId: signInClientId
    subnetId: privateNetwork.?outputs.appSubnetId ?? ''
  }
}

module subscriptions 'modules/subscriptions.bicep' = {
  name: 'subscriptions'
  dependsOn: [eventAccess, app]
  params: {
    dataAccountName: dataStorage.outputs.name
    fileTopicName: topics.outputs.fileTopicName
    eventTopicName: topicName
    subscribers: eventSubscribers ?? []
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  params: {
    location: location
    tags: tags
    token: token
    workspaceId: monitoring.outputs.workspaceId
    email: alertEmail
    oldestMessageSeconds: oldestMessageSeconds
    dailySpendUsd: dailySpendUsd
  }
}

module workbook 'modules/workbook.bicep' = {
  name: 'workbook'
  params: { location: location, tags: tags, workspaceId: monitoring.outputs.workspaceId }
}

module budget 'modules/budget.bicep' = {
  name: 'budget'
  params: {
    token: token
    amount: monthlyBudget
    start: empty(budgetStart) ? thisMonth : budgetStart
    actionGroupId: alerts.outputs.actionGroupId
  }
}

@description('Region of all resources.')
output AZURE_LOCATION string = location

@description('Name of the function app.')
output APP_NAME string = app.outputs.name

@description('Address of the function app.')
output APP_URI string = app.outputs.uri

@description('Blobs of jobs and pictures.')
output IMAGE_BLOB_URI string = dataStorage.outputs.blobUri

@description('Queues of jobs and events.')
output IMAGE_QUEUE_URI string = dataStorage.outputs.queueUri

@description('Account of jobs and pictures.')
output DATA_ACCOUNT string = dataStorage.outputs.name

@description('Foundry account that the app calls.')
output FOUNDRY_ACCOUNT_ID string = foundryId

@description('Event Grid topic for events. Empty without a topic.')
output EVENT_TOPIC_ENDPOINT string = topics.outputs.eventTopicEndpoint

@description('First month of the budget, kept for the next deployment.')
output BUDGET_START string = empty(budgetStart) ? thisMonth : budgetStart
