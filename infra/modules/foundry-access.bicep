// The app's right to call the models of an account, made here or elsewhere; runs in its group.

import { Deployment } from 'types.bicep'

@description('Name of the account, in this resource group.')
param accountName string

@description('Principal of the app.')
param principalId string

@description('Its deployments, to say what the app is told of them.')
param deployments Deployment[]

// Inference alone. Models of other formats are not under the OpenAI routes, and the narrowest role
// known to reach those is wider; it could list keys, of which an account made here has none.
var roles = union(
  ['5e0bd9bd-7b93-4f28-af87-19fc36ad61bd'], // Cognitive Services OpenAI User
  empty(filter(deployments, each => ((each.?format ?? 'OpenAI') != 'OpenAI')))
    ? []
    : ['a97b65f3-24c7-4388-baec-2e87135dc908'] // Cognitive Services User
)

// Where each format is served.
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
