// The monthly budget of this resource group, and who is notified.

@description('Part of every name, to make it unique.')
param token string

@description('Amount per month, in the currency of the subscription\'s bill.')
@minValue(1)
param amount int

@description('First day of the first month, for example 2026-11-01. It cannot be changed later.')
param start string

@description('Who is notified.')
param actionGroupId string

resource budget 'Microsoft.Consumption/budgets@2024-08-01' = {
  name: 'budget-${token}'
  properties: {
    category: 'Cost'
    amount: amount
    timeGrain: 'Monthly'
    timePeriod: { startDate: start }
    notifications: {
      spent: {
        enabled: true
        operator: 'GreaterThan'
        threshold: 80
        thresholdType: 'Actual'
        contactEmails: []
        contactGroups: [actionGroupId]
      }
      forecast: {
        enabled: true
        operator: 'GreaterThan'
        threshold: 100
        thresholdType: 'Forecasted'
        contactEmails: []
        contactGroups: [actionGroupId]
      }
    }
  }
}
