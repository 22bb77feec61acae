// What wakes an operator. docs/runbook.md has a section of the same name for each.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Part of every name that makes it unique.')
param token string

@description('Log Analytics workspace.')
param workspaceId string

@description('Who is written to; nobody when empty: alerts are then only seen in the portal.')
param email string

@description('Age of the oldest waiting message that is too much, seconds.')
param oldestMessageSeconds int

@description('Spend on pictures in 24 hours that is too much, USD.')
param dailySpendUsd int

// A value of each metric in a window of time; an alert when it is above its threshold. The names
// are those of shared/adapters/telemetry.py.
var alerts = [
  {
    name: 'dead-letters'
    text: 'A job failed, or a message was given up on. Read dead-letters/ of today.'
    query: 'AppMetrics | where Name == "image_jobs.dead_letters" and tostring(Properties.reason) != "rejected" | summarize Value = sum(Sum)'
    severity: 2
    threshold: 0
    window: 'PT15M'
  }
  {
    name: 'parked'
    text: 'A job waits for a decision: it may have been paid for, and asked not to be tried again.'
    query: 'AppMetrics | where Name == "image_jobs.jobs" and tostring(Properties.outcome) == "parked" | summarize Value = sum(Sum)'
    severity: 2
    threshold: 0
    window: 'PT15M'
  }
  {
    name: 'unknown-outcomes'
    text: 'Calls ended without saying whether they were paid.'
    query: 'AppMetrics | where Name == "image_jobs.calls" and tostring(Properties.outcome) == "unknown" | summarize Value = sum(Sum)'
    severity: 3
    threshold: 2
    window: 'PT1H'
  }
  {
    name: 'circuit-open'
    text: 'Foundry refuses every call: the resource is blocked, or the app may not call it.'
    query: 'AppMetrics | where Name == "image_jobs.calls" and tostring(Properties.outcome) in ("blocked", "unauthorised", "misconfigured") | summarize Value = sum(Sum)'
    severity: 1
    threshold: 0
    window: 'PT15M'
  }
  {
    name: 'oldest-message'
    text: 'Jobs wait longer than they should: the quota is too small, or nothing takes them.'
    query: 'AppMetrics | where Name == "image_jobs.oldest_message_age" | summarize Value = max(Max)'
    severity: 2
    threshold: oldestMessageSeconds
    window: 'PT15M'
  }
  {
    name: 'silence'
    text: 'The app has told nothing for half an hour: it does not run, or its telemetry does not arrive.'
    query: 'AppMetrics | where Name == "image_jobs.oldest_message_age" | summarize Seen = count() | project Value = iff(Seen == 0, 1, 0)'
    severity: 1
    threshold: 0
    window: 'PT30M'
  }
  {
    name: 'spend'
    text: 'More was spent on pictures in a day than was meant to be.'
    query: 'AppMetrics | where Name == "image_jobs.cost" | summarize Value = sum(Sum)'
    severity: 2
    threshold: dailySpendUsd
    window: 'P1D'
  }
]

resource operators 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${token}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'image-jobs'
    enabled: true
    emailReceivers: empty(email) ? [] : [{ name: 'operator', emailAddress: email, useCommonAlertSchema: true }]
  }
}

resource rules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for alert in alerts: {
    name: 'image-jobs-${alert.name}-${token}'
    location: location
    tags: tags
    properties: {
      displayName: 'Image Jobs: ${alert.name}'
      description: '${alert.text} See docs/runbook.md, "${alert.name}".'
      severity: alert.severity
      enabled: true
      scopes: [workspaceId]
      // What is looked at more often costs more: five minutes are for what stops everything.
      evaluationFrequency: alert.window == 'P1D' ? 'PT1H' : (alert.severity == 1 ? 'PT5M' : 'PT15M')
      windowSize: alert.window
      criteria: {
        allOf: [
          {
            query: alert.query
            timeAggregation: 'Maximum'
            metricMeasureColumn: 'Value'
            operator: 'GreaterThan'
            threshold: alert.threshold
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      autoMitigate: true
      // A new workspace has no tables yet: the queries would be refused.
      skipQueryValidation: true
      actions: { actionGroups: [operators.id] }
    }
  }
]

@description('Resource id of the action group.')
output actionGroupId string = operators.id
