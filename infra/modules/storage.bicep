// A storage account: no keys, no public blobs, and all its queues and containers made up front,
// so that nothing which runs needs the right to make one.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the account.')
@minLength(3)
@maxLength(24)
param name string

@description('How its bytes are copied.')
param redundancy 'Standard_LRS' | 'Standard_ZRS' | 'Standard_GRS' | 'Standard_GZRS'

@description('Names of its containers.')
param containers string[]

@description('Names of its queues.')
param queues string[] = []

@description('When blobs are deleted: a container and its days; 0 days keep them.')
param deletions { container: string, days: int }[] = []

@description('Who reaches it: everybody with an identity, or the private network and these addresses.')
param network 'public' | 'private'

@description('Public addresses or ranges that reach a private account too.')
param allowedIpRanges string[] = []

@description('Days in which a deleted blob can be brought back.')
@minValue(1)
@maxValue(365)
param undeleteDays int = 7

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: redundancy }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: 'Enabled'
    supportsHttpsTrafficOnly: true
    networkAcls: {
      // Event Grid is let through as a trusted service: it has no address of its own to allow.
      bypass: 'AzureServices'
      defaultAction: network == 'private' ? 'Deny' : 'Allow'
      ipRules: [for address in allowedIpRanges: { value: address, action: 'Allow' }]
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: { enabled: true, days: undeleteDays }
    containerDeleteRetentionPolicy: { enabled: true, days: undeleteDays }
    // Records and ledgers are written over by the hundred: versions of them would only cost.
    isVersioningEnabled: false
  }
}

resource blobContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = [
  for container in containers: {
    parent: blobs
    name: container
    properties: { publicAccess: 'None' }
  }
]

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-01-01' = if (!empty(queues)) {
  parent: account
  name: 'default'
  properties: {}
}

resource storageQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-01-01' = [
  for queue in queues: {
    parent: queueService
    name: queue
    properties: {}
  }
]

var kept = filter(deletions, each => (each.days > 0))

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-01-01' = if (!empty(kept)) {
  parent: account
  name: 'default'
  dependsOn: [blobs]
  properties: {
    policy: {
      rules: [
        for each in kept: {
          name: 'delete-${each.container}'
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: { blobTypes: ['blockBlob'], prefixMatch: ['${each.container}/'] }
            actions: {
              baseBlob: { delete: { daysAfterModificationGreaterThan: each.days } }
            }
          }
        }
      ]
    }
  }
}

@description('Name of the account.')
output name string = account.name

@description('Resource id of the account.')
output id string = account.id

@description('URL of its blobs.')
output blobUri string = account.properties.primaryEndpoints.blob

@description('URL of its queues.')
output queueUri string = account.properties.primaryEndpoints.queue
