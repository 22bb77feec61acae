// The function app on a Flex Consumption plan, and the one table of its settings.

import { eventQueues, jobQueues, labelledContainers, readContainers, waitingQueues, writtenContainers } from 'layout.bicep'
import { AlwaysReady, Tuning } from 'types.bicep'

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Part of every name, to make it unique.')
param token string

@description('Resource id of the app\'s identity.')
param identityId string

@description('Client id of the app\'s identity.')
param identityClientId string

@description('Blobs of the host: package, keys, locks of timers, as a URL.')
param hostBlobUri string

@description('Container of the package, as a URL.')
param packageUri string

@description('Blobs of jobs and pictures, as a URL.')
param blobUri string

@description('Queues of jobs and events, as a URL.')
param queueUri string

@description('The deployments, as the value of FOUNDRY_DEPLOYMENTS.')
param deployments object[]

@description('Queues that a job may name for its reply.')
param replyQueues string[]

@description('Event Grid topic that also gets every event. None if empty.')
param topicEndpoint string

@description('Connection string for telemetry.')
param insightsConnectionString string

@description('Settings that an operator sets.')
param tuning Tuning

@description('Memory of an instance, MB.')
param instanceMemoryMB 512 | 2048 | 4096

@description('Most instances of each function.')
param maximumInstanceCount int

@description('Warm instances of each group of functions.')
param alwaysReady AlwaysReady

@description('Public ranges that may call over HTTP. All if empty.')
param httpIpRanges string[]

@description('Client id of the app registration that people and services sign in with. No sign-in if empty.')
param signInClientId string

@description('Subnet of the app. The public network if empty.')
param subnetId string

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: 'plan-${token}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  name: 'func-image-jobs-${token}'
  location: location
  tags: union(tags, { 'azd-service-name': 'app' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      minTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      ipSecurityRestrictionsDefaultAction: empty(httpIpRanges) ? 'Allow' : 'Deny'
      ipSecurityRestrictions: [
        for (address, i) in httpIpRanges: { name: 'caller-${i}', ipAddress: address, action: 'Allow', priority: 100 + i }
      ]
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageUri
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: map(
          filter(items(alwaysReady), group => (group.value > 0)),
          group => {
            name: group.key == 'http' ? 'http' : 'function:${group.key}'
            instanceCount: group.value
          }
        )
        // The handlers wait for storage most of the time. Unset, the platform chooses by language.
        triggers: { http: { perInstanceConcurrency: 16 } }
      }
      // Running functions end before their instance is replaced. By default they are cut off, and a cut
      // call may be paid for twice. Documented for this API version, but missing from its types.
      #disable-next-line BCP037
      siteUpdateStrategy: { type: 'RollingUpdate' }
    }
  }
}

resource publishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = [
  for kind in ['ftp', 'scm']: {
    parent: app
    name: kind
    properties: { allow: false }
  }
]

// What the host needs.
var hostSettings = {
  AzureWebJobsStorage__blobServiceUri: hostBlobUri
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
  // The worker sets up Azure Monitor once. The app only uses the OpenTelemetry API.
  PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY: 'true'
  PYTHON_APPLICATIONINSIGHTS_LOGGER_NAME: 'image_jobs'
  // The host decides what is sampled. By default the exporter takes five traces a second, so it would
  // lose tasks among the storage calls.
  OTEL_TRACES_SAMPLER: 'parentbased_always_on'
  // Libraries that the app does not have, or whose calls it measures itself.
  OTEL_PYTHON_DISABLED_INSTRUMENTATIONS: 'django,fastapi,flask,psycopg2,requests,urllib,urllib3'
  // pydantic looks through all packages for plugins at the first model. The app has none.
  PYDANTIC_DISABLE_PLUGINS: '__all__'
}

// The settings of the app. tests/infra compares the names with shared/config/settings.py. A setting whose
// value only an operator knows is in `Tuning` instead, in types.bicep.
var appSettings = {
  ImageStorage__queueServiceUri: queueUri
  ImageStorage__blobServiceUri: blobUri
  ImageStorage__credential: 'managedidentity'
  ImageStorage__clientId: identityClientId
  FOUNDRY_DEPLOYMENTS: string(deployments)
  REPLY_QUEUES: join(replyQueues, ',')
  EVENT_GRID_TOPIC_ENDPOINT: topicEndpoint
}

resource settings 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: app
  name: 'appsettings'
  properties: union(
    hostSettings,
    appSettings,
    jobQueues,
    eventQueues,
    waitingQueues,
    writtenContainers,
    labelledContainers,
    readContainers,
    tuning
  )
}

// Always deployed, so that an empty client id switches sign-in off again.
resource signIn 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: app
  name: 'authsettingsV2'
  dependsOn: [settings] // an app takes one change of its configuration at a time
  properties: {
    platform: { enabled: !empty(signInClientId) }
    globalValidation: {
      requireAuthentication: !empty(signInClientId)
      unauthenticatedClientAction: 'RedirectToLoginPage'
      excludedPaths: ['/api/health']
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: !empty(signInClientId)
        registration: {
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
          clientId: signInClientId
        }
        validation: { allowedAudiences: [signInClientId, 'api://${signInClientId}'] }
      }
    }
  }
}

@description('Name of the function app.')
output name string = app.name

@description('Its address.')
output uri string = 'https://${app.properties.defaultHostName}'
