// An Event Grid topic for the app's events, and its subscribers.

import { undeliveredContainer } from 'layout.bicep'

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the topic.')
param name string

@description('Account of jobs and pictures.')
param dataAccountName string

@description('Subscribers: a name, the https address of a webhook, and types of events (all if left out).')
param subscribers { name: string, endpoint: string, types: string[]? }[]

resource data 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: dataAccountName
}

resource topic 'Microsoft.EventGrid/topics@2025-02-15' = {
  name: name
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    inputSchema: 'CloudEventSchemaV1_0'
    disableLocalAuth: true
    minimumTlsVersionAllowed: '1.2'
    publicNetworkAccess: 'Enabled'
  }
}

module access 'event-access.bicep' = {
  name: 'topic-access'
  params: {
    principalId: topic.identity.principalId
    dataAccountName: dataAccountName
    queue: ''
    container: undeliveredContainer
  }
}

resource subscriptions 'Microsoft.EventGrid/topics/eventSubscriptions@2025-02-15' = [
  for subscriber in subscribers: {
    parent: topic
    name: subscriber.name
    dependsOn: [access]
    properties: {
      eventDeliverySchema: 'CloudEventSchemaV1_0'
      filter: { includedEventTypes: subscriber.?types }
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

@description('Endpoint to publish events to.')
output endpoint string = topic.properties.endpoint
