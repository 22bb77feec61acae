// The app's role on a Foundry account, new or existing. Runs in the resource group of the account.

import { Deployment } from 'types.bicep'

@description('Name of the account, in this resource group.')
param accountName string

@description('Principal of the app.')
param principalId string

@description('Deployments of the account, for FOUNDRY_DEPLOYMENTS.')
param deployments Deployment[]

// Inference only. Models of other formats are not under the OpenAI routes. The narrowest known role for
// those could also list keys, but an account created here has no keys.
var roles = union(
  ['5e0bd9bd-7b93-4f28-af87-19fc36ad61bd'], // Cognitive Services OpenAI User
  empty(filter(deployments, each => ((each.?format ?? 'OpenAI') != 'OpenAI')))
    ? []
    : ['a97b65f3-24c7-4388-baec-2e87135dc908'] // Cognitive Services User
)

// The host name of each format.
var hosts = {
  OpenAI: 'openai.azure.com'
  Microsoft: 'services.ai.azure.com'
  'Black Forest Labs': 'api.cognitive.microsoft.com'
}

resource account 'Microsoft.CognitiveServices/accounts@2025-06-01' existing = {
  name: accountName
}

resource grants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in roles: {
    scope: account
    name: guid(account.id, principalId, role)
    properties: {
      principalId: principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    }
  }
]

@description('The deployments, as the app\'s FOUNDRY_DEPLOYMENTS.')
output deployments object[] = [
  for deployment in deployments: union(
    {
      name: deployment.name
      model: deployment.?model ?? deployment.name
      endpoint: 'https://${account.properties.customSubDomainName}.${hosts[deployment.?format ?? 'OpenAI']}'
    },
    deployment.?rpm == null ? {} : { rpm: deployment.?rpm },
    deployment.?pool == null ? {} : { pool: deployment.?pool }
  )
]
