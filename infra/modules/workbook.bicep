// A workbook with the main numbers of the system.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Log Analytics workspace.')
param workspaceId string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'image-jobs')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    category: 'workbook'
    displayName: 'Image Jobs'
    serializedData: loadTextContent('../workbook.json')
    sourceId: workspaceId
  }
}
