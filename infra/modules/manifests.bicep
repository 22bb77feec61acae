// Event Grid sends a message for each new file in the container of manifests.

import { jobQueues, readContainers, undeliveredContainer } from 'layout.bicep'

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Part of every name, to make it unique.')
param token string

@description('Account of jobs and pictures.')
param dataAccountName string

resource data 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: dataAccountName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: 'evgst-${token}'
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    source: data.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

module access 'event-access.bicep' = {
  name: 'manifests-access'
  params: {
    principalId: topic.identity.principalId
    dataAccountName: dataAccountName
    queue: jobQueues.MANIFESTS_QUEUE
    container: undeliveredContainer
  }
}

resource subscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'manifests'
  dependsOn: [access]
  properties: {
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    filter: {
      includedEventTypes: ['Microsoft.Storage.BlobCreated']
      subjectBeginsWith: '/blobServices/default/containers/${readContainers.MANIFESTS_CONTAINER}/blobs/'
      // One upload can raise several events. These calls end an upload.
      advancedFilters: [
        {
          operatorType: 'StringIn'
          key: 'data.api'
          values: ['PutBlob', 'PutBlockList', 'FlushWithClose', 'CopyBlob']
        }
      ]
    }
    deliveryWithResourceIdentity: {
      identity: { type: 'SystemAssigned' }
      destination: {
        endpointType: 'StorageQueue'
        properties: {
          resourceId: data.id
          queueName: jobQueues.MANIFESTS_QUEUE
          queueMessageTimeToLiveInSeconds: -1
        }
      }
    }
    deadLetterWithResourceIdentity: {
      identity: { type: 'SystemAssigned' }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: {
          resourceId: data.id
          blobContainerName: undeliveredContainer
        }
      }
    }
    retryPolicy: { eventTimeToLiveInMinutes: 1440, maxDeliveryAttempts: 30 }
  }
}
