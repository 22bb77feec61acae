// The Event Grid subscriptions: a message for each new manifest, and the subscribers of the events.
// They are created last: Event Grid refuses them until the roles of event-access.bicep work.

import { jobQueues, readContainers, undeliveredContainer } from 'layout.bicep'

@description('Account of jobs and pictures.')
param dataAccountName string

@description('Topic of the files in that account.')
param fileTopicName string

@description('Topic for events. None if empty.')
param eventTopicName string

@description('Subscribers: a name, the https address of a webhook, types of events and a tenant (all if left out).')
param subscribers { name: string, endpoint: string, types: string[]?, tenant: string? }[]

resource data 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: dataAccountName
}

resource files 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: fileTopicName
}

resource manifests 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: files
  name: 'manifests'
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

resource events 'Microsoft.EventGrid/topics@2025-02-15' existing = if (!empty(eventTopicName)) {
  name: eventTopicName
}

resource receivers 'Microsoft.EventGrid/topics/eventSubscriptions@2025-02-15' = [
  for subscriber in subscribers: {
    parent: events
    name: subscriber.name
    properties: {
      eventDeliverySchema: 'CloudEventSchemaV1_0'
      filter: {
        includedEventTypes: subscriber.?types
        advancedFilters: subscriber.?tenant == null
          ? null
          : [{ operatorType: 'StringIn', key: 'data.tenant', values: [subscriber.?tenant ?? ''] }]
      }
      destination: {
        endpointType: 'WebHook'
        properties: { endpointUrl: subscriber.endpoint }
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
]
