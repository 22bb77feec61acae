// The Foundry account and its model deployments, without keys.

import { Deployment } from 'types.bicep'

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the account, and of its address.')
param name string

@description('What is deployed.')
param deployments Deployment[]

@description('Who reaches it: everybody with an identity, or the private network and these addresses.')
param network 'public' | 'private'

@description('Public addresses or ranges that reach a private account too.')
param allowedIpRanges string[] = []

resource account 'Microsoft.CognitiveServices/accounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'AIServices'
  sku: { name: 'S0' }
  identity: { type: 'SystemAssigned' }
  properties: {
    // Without an address of its own an account takes no Entra tokens.
    customSubDomainName: name
    disableLocalAuth: true
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      defaultAction: network == 'private' ? 'Deny' : 'Allow'
      ipRules: [for address in allowedIpRanges: { value: address }]
    }
  }
}

@batchSize(1) // one account takes one change at a time
resource models 'Microsoft.CognitiveServices/accounts/deployments@2025-06-01' = [
  for deployment in deployments: {
    parent: account
    name: deployment.name
    sku: {
      name: deployment.?sku ?? 'GlobalStandard'
      capacity: deployment.?capacity ?? 1
    }
    properties: {
      model: {
        format: deployment.?format ?? 'OpenAI'
        name: deployment.?model ?? deployment.name
        version: deployment.?version
      }
      // Pictures change with a version: an operator moves on, the platform does not (docs/deploy.md).
      versionUpgradeOption: 'NoAutoUpgrade'
    }
  }
]

@description('Resource id of the account.')
output id string = account.id
