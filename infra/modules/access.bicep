// All roles in one table, each on the smallest scope that works.

import { eventQueues, jobQueues, labelledContainers, readContainers, waitingQueues, writtenContainers } from 'layout.bicep'

@description('Principal of the app.')
param appPrincipalId string

@description('Principal that deploys and may use the app. Nobody if empty.')
param operatorPrincipalId string

@description('Type of that principal.')
param operatorType 'User' | 'ServicePrincipal'

@description('Account of the host: package, keys, locks of timers.')
param hostAccountName string

@description('Account of jobs and pictures.')
param dataAccountName string

@description('Queues that a job may name for its reply.')
param replyQueues string[]

@description('Application Insights component.')
param insightsName string

@description('Event Grid topic for events. None if empty.')
param topicName string

var roles = {
  'EventGrid Data Sender': 'd5a91429-5739-47e2-a06b-3470a27159e7'
  'Monitoring Metrics Publisher': '3913510d-42f4-4e42-8a64-420c390055eb'
  'Storage Blob Data Contributor': 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  'Storage Blob Data Owner': 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  'Storage Blob Data Reader': '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  'Storage Blob Delegator': 'db58b8e5-c6ad-4a2a-8342-4190687cbf4a'
  'Storage Queue Data Contributor': '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  'Storage Queue Data Message Sender': 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
  'Storage Queue Data Reader': '19e7f393-937e-4f77-808e-94535e297925'
}

var triggerQueues = objectValues(jobQueues)
var poisonQueues = map(triggerQueues, queue => '${queue}-poison')
var outgoingQueues = union(objectValues(eventQueues), replyQueues)

// A trigger reads and deletes messages. It also updates them: every five minutes during its work, and
// when it puts one back. The Processor role may not do that, and the next larger role is Contributor.
var appQueueRoles = union(
  toObject(concat(triggerQueues, poisonQueues, objectValues(waitingQueues)), queue => queue, queue => 'Storage Queue Data Contributor'),
  toObject(outgoingQueues, queue => queue, queue => 'Storage Queue Data Message Sender')
)

// Only the Owner of a container may write index tags. Pictures that come over HTTP go into the inputs.
var appContainerRoles = union(
  toObject(objectValues(writtenContainers), name => name, name => 'Storage Blob Data Contributor'),
  toObject(objectValues(labelledContainers), name => name, name => 'Storage Blob Data Owner'),
  toObject([readContainers.INPUTS_CONTAINER], name => name, name => 'Storage Blob Data Contributor'),
  toObject([readContainers.MANIFESTS_CONTAINER], name => name, name => 'Storage Blob Data Reader')
)

// An operator sends jobs and inputs, reads events and pictures, and replays dead letters.
var operatorQueueRoles = toObject(
  concat(triggerQueues, poisonQueues, objectValues(waitingQueues), outgoingQueues),
  queue => queue,
  queue => 'Storage Queue Data Contributor'
)
var operatorContainerRoles = union(
  toObject(
    concat(objectValues(writtenContainers), objectValues(labelledContainers)),
    name => name,
    name => 'Storage Blob Data Reader'
  ),
  toObject(
    objectValues(readContainers),
    name => name,
    name => 'Storage Blob Data Contributor'
  )
)

var principals = union(
  [
    {
      id: appPrincipalId
      type: 'ServicePrincipal'
      queues: appQueueRoles
      containers: appContainerRoles
    }
  ],
  empty(operatorPrincipalId)
    ? []
    : [
        {
          id: operatorPrincipalId
          type: operatorType
          queues: operatorQueueRoles
          containers: operatorContainerRoles
        }
      ]
)

// Before a job is accepted, the app looks whether its reply queue exists.
var replyGrants = map(
  replyQueues,
  queue => { id: appPrincipalId, type: 'ServicePrincipal', on: queue, role: 'Storage Queue Data Reader' }
)
var queueGrants = concat(
  replyGrants,
  flatten(map(
    principals,
    who => map(items(who.queues), each => { id: who.id, type: who.type, on: each.key, role: each.value })
  ))
)
var containerGrants = flatten(map(
  principals,
  who => map(items(who.containers), each => { id: who.id, type: who.type, on: each.key, role: each.value })
))

resource data 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: dataAccountName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' existing = {
  parent: data
  name: 'default'
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-01-01' existing = {
  parent: data
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-01-01' existing = [
  for grant in queueGrants: {
    parent: queueService
    name: grant.on
  }
]

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = [
  for grant in containerGrants: {
    parent: blobs
    name: grant.on
  }
]

resource onQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (grant, i) in queueGrants: {
    scope: queues[i]
    name: guid(data.id, grant.on, grant.id, grant.role)
    properties: {
      principalId: grant.id
      principalType: grant.type
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[grant.role])
    }
  }
]

resource onContainers 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (grant, i) in containerGrants: {
    scope: containers[i]
    name: guid(data.id, 'blobs', grant.on, grant.id, grant.role)
    properties: {
      principalId: grant.id
      principalType: grant.type
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[grant.role])
    }
  }
]

// Links to pictures are signed with a key of the account. They allow no more than the app may do.
resource onData 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: data
  name: guid(data.id, appPrincipalId, 'Storage Blob Delegator')
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Storage Blob Delegator'])
  }
}

resource host 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: hostAccountName
}

resource onHost 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: host
  name: guid(host.id, appPrincipalId, 'Storage Blob Data Owner')
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Storage Blob Data Owner'])
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource onInsights 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: insights
  name: guid(insights.id, appPrincipalId, 'Monitoring Metrics Publisher')
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Monitoring Metrics Publisher'])
  }
}

resource topic 'Microsoft.EventGrid/topics@2025-02-15' existing = if (!empty(topicName)) {
  name: topicName
}

resource onTopic 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(topicName)) {
  scope: topic
  name: guid(topic.id, appPrincipalId, 'EventGrid Data Sender')
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['EventGrid Data Sender'])
  }
}
