// Roles of the Event Grid topics: send to the queue of manifests, and store undelivered events.
//
// Event Grid checks them when a subscription is created, and a new role takes minutes to work. So they are
// granted before the app is created, and the subscriptions are created after it.

import { jobQueues, undeliveredContainer } from 'layout.bicep'

@description('Account of jobs and pictures.')
param dataAccountName string

@description('Principal of the topic of files.')
param fileTopicPrincipalId string

@description('Principal of the topic for events. None if empty.')
param eventTopicPrincipalId string

resource data 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: dataAccountName
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-01-01' existing = {
  parent: data
  name: 'default'
}

resource manifests 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-01-01' existing = {
  parent: queueService
  name: jobQueues.MANIFESTS_QUEUE
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' existing = {
  parent: data
  name: 'default'
}

resource undelivered 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = {
  parent: blobs
  name: undeliveredContainer
}

resource sends 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: manifests
  name: guid(data.id, jobQueues.MANIFESTS_QUEUE, fileTopicPrincipalId, 'send')
  properties: {
    principalId: fileTopicPrincipalId
    principalType: 'ServicePrincipal'
    // Storage Queue Data Message Sender
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a')
  }
}

var topics = union([fileTopicPrincipalId], empty(eventTopicPrincipalId) ? [] : [eventTopicPrincipalId])

resource stores 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for topic in topics: {
    scope: undelivered
    name: guid(data.id, undeliveredContainer, topic, 'leave')
    properties: {
      principalId: topic
      principalType: 'ServicePrincipal'
      // Storage Blob Data Contributor
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'ba92f5b4-2d11-453d-a403-e96b0029c9fe')
    }
  }
]
