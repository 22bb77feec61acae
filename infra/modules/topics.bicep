// The Event Grid topics: one for files of the data account, and one for events if it has subscribers.
// What is subscribed to them is in subscriptions.bicep, because the roles of their identities come between.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Part of every name, to make it unique.')
param token string

@description('Account of jobs and pictures.')
param dataAccountName string

@description('Name of the topic for events. None if empty.')
param eventTopicName string

resource data 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: dataAccountName
}

resource files 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: 'evgst-${token}'
  location: location
  tags: tags
  // Event Grid reaches an account behind a firewall only with this kind of identity.
  identity: { type: 'SystemAssigned' }
  properties: {
    source: data.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

resource events 'Microsoft.EventGrid/topics@2025-02-15' = if (!empty(eventTopicName)) {
  name: eventTopicName
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

@description('Name of the topic of files.')
output fileTopicName string = files.name

@description('Principal of the topic of files.')
output fileTopicPrincipalId string = files.identity.principalId

@description('Principal of the topic for events. Empty without one.')
output eventTopicPrincipalId string = empty(eventTopicName) ? '' : (events!.identity.principalId)

@description('Endpoint to publish events to. Empty without a topic.')
output eventTopicEndpoint string = empty(eventTopicName) ? '' : (events!.properties.endpoint)
