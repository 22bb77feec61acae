// The private network: the app's subnet, and private endpoints of storage and Foundry.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Part of every name, to make it unique.')
param token string

@description('Address range of the network. A /24 is enough.')
param addressRange string

@description('Account of the host.')
param hostAccountId string

@description('Account of jobs and pictures.')
param dataAccountId string

@description('Foundry account.')
param foundryAccountId string

var suffix = environment().suffixes.storage

var zones = [
  'privatelink.blob.${suffix}'
  'privatelink.queue.${suffix}'
  'privatelink.cognitiveservices.azure.com'
  'privatelink.openai.azure.com'
  'privatelink.services.ai.azure.com'
]

// Each private endpoint: the resource, its sub-resource, and its DNS zone.
var endpoints = [
  { name: 'host-blob', target: hostAccountId, part: 'blob', zones: [0] }
  { name: 'data-blob', target: dataAccountId, part: 'blob', zones: [0] }
  { name: 'data-queue', target: dataAccountId, part: 'queue', zones: [1] }
  { name: 'foundry', target: foundryAccountId, part: 'account', zones: [2, 3, 4] }
]

resource network 'Microsoft.Network/virtualNetworks@2024-07-01' = {
  name: 'vnet-${token}'
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressRange] }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: cidrSubnet(addressRange, 26, 0)
          delegations: [
            {
              name: 'flex'
              properties: { serviceName: 'Microsoft.App/environments' }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressRange, 26, 1)
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
    ]
  }
}

resource dnsZones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for zone in zones: {
    name: zone
    location: 'global'
    tags: tags
    properties: {}
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (zone, i) in zones: {
    parent: dnsZones[i]
    name: 'vnet-${token}'
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: { id: network.id }
    }
  }
]

resource privateEndpoints 'Microsoft.Network/privateEndpoints@2024-07-01' = [
  for endpoint in endpoints: {
    name: 'pe-${endpoint.name}-${token}'
    location: location
    tags: tags
    properties: {
      subnet: { id: '${network.id}/subnets/endpoints' }
      privateLinkServiceConnections: [
        {
          name: endpoint.name
          properties: {
            privateLinkServiceId: endpoint.target
            groupIds: [endpoint.part]
          }
        }
      ]
    }
  }
]

resource lookups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-07-01' = [
  for (endpoint, i) in endpoints: {
    parent: privateEndpoints[i]
    name: 'default'
    dependsOn: [links]
    properties: {
      privateDnsZoneConfigs: map(
        endpoint.zones,
        zone => {
          name: 'zone-${zone}'
          properties: { privateDnsZoneId: resourceId('Microsoft.Network/privateDnsZones', zones[zone]) }
        }
      )
    }
  }
]

@description('Subnet of the app.')
output appSubnetId string = '${network.id}/subnets/app'
