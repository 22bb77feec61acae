// Roles of an Event Grid topic: send to one queue, and store undelivered events.

@description('Principal of the topic.')
param principalId string

@description('Account of jobs and pictures.')
param dataAccountName string

@description('Queue to send to. None if empty.')
param queue string

@description('Container for undelivered events.')
param container string

resource data 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: dataAccountName
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-01-01' existing = {
  parent: data
  name: 'default'
}

resource destination 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-01-01' existing = if (!empty(queue)) {
  parent: queueService
  name: queue
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' existing = {
  parent: data
  name: 'default'
}

resource undelivered 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = {
  parent: blobs
  name: container
}

resource sends 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(queue)) {
  scope: destination
  name: guid(data.id, queue, principalId, 'send')
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    // Storage Queue Data Message Sender
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a')
  }
}

resource leaves 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: undelivered
  name: guid(data.id, container, principalId, 'leave')
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    // Storage Blob Data Contributor
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'ba92f5b4-2d11-453d-a403-e96b0029c9fe')
  }
}
