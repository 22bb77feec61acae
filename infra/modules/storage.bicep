// A storage account without keys and public blobs. All queues and containers are created here, so that the
// app needs no right to create one.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the account.')
@minLength(3)
@maxLength(24)
param name string

@description('Redundancy.')
param redundancy 'Standard_LRS' | 'Standard_ZRS' | 'Standard_GRS' | 'Standard_GZRS'

@description('Names of its containers.')
param containers string[]

@description('Names of its queues.')
param queues string[] = []

@description('Days after which the blobs of a container, or of a folder of one, are deleted. 0 keeps them.')
param deletions { path: string, days: int }[] = []

@description('public: anyone with an identity and a role. private: the private network and the allowed addresses.')
param network 'public' | 'private'

@description('Public addresses or ranges that may still reach a private account.')
param allowedIpRanges string[] = []

@description('Days in which a deleted blob can be restored.')
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
      // Event Grid has no fixed address to allow, so it is allowed as a trusted service.
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
    // Records and ledgers are overwritten hundreds of times. Versions of them would only cost money.
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
          name: 'delete-${replace(each.path, '/', '-')}'
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: { blobTypes: ['blockBlob'], prefixMatch: ['${each.path}/'] }
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
