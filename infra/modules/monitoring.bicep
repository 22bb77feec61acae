// Logs, traces and metrics of the app. Only Entra identities may send them.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Part of every name, to make it unique.')
param token string

@description('How long logs are kept, days.')
@minValue(30)
@maxValue(730)
param retentionDays int = 30

@description('Daily limit of ingested data, GB, so that a logging loop does not become a large bill.')
param dailyQuotaGb int = 2

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: 'log-${token}'
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: retentionDays
    workspaceCapping: { dailyQuotaGb: dailyQuotaGb }
    features: { disableLocalAuth: true }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${token}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
  }
}

@description('Name of the Application Insights component.')
output insightsName string = insights.name

@description('Connection string for telemetry. Not a secret, because only Entra identities may send.')
output connectionString string = insights.properties.ConnectionString

@description('Resource id of the Log Analytics workspace.')
output workspaceId string = workspace.id
