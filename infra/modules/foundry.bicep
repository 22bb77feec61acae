// The Foundry account and its model deployments, without keys.

import { Deployment } from 'types.bicep'

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the account, and its subdomain.')
param name string

@description('Deployments to create.')
param deployments Deployment[]

@description('public: anyone with an identity and a role. private: the private network and the allowed addresses.')
param network 'public' | 'private'

@description('Public addresses or ranges that may still reach a private account.')
param allowedIpRanges string[] = []

resource account 'Microsoft.CognitiveServices/accounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'AIServices'
  sku: { name: 'S0' }
  identity: { type: 'SystemAssigned' }
  properties: {
    // An account without a custom subdomain accepts no Entra tokens.
    customSubDomainName: name
    disableLocalAuth: true
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      defaultAction: network == 'private' ? 'Deny' : 'Allow'
      ipRules: [for address in allowedIpRanges: { value: address }]
    }
  }
}

@batchSize(1) // an account accepts one change at a time
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
      // Pictures change with the version, so an operator upgrades, not the platform (docs/deploy.md).
      versionUpgradeOption: 'NoAutoUpgrade'
    }
  }
]

@description('Resource id of the account.')
output id string = account.id
