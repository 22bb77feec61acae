// The alerts. docs/runbook.md has a section with the name of each.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Part of every name, to make it unique.')
param token string

@description('Log Analytics workspace.')
param workspaceId string

@description('Email address that receives alerts. If empty, alerts appear only in the portal.')
param email string

@description('Alert if the oldest waiting message is older, seconds.')
param oldestMessageSeconds int

@description('Alert if a call waits longer after its time, seconds.')
param waitingLateSeconds int = 120

@description('Alert if the calls of 24 hours may have cost more, USD.')
param dailySpendUsd int

// Each alert compares the value of a metric in a time window with a threshold. The names of the
// metrics are those of shared/adapters/telemetry.py.
var alerts = [
  {
    name: 'dead-letters'
    text: 'A job failed, or a message was given up. Read dead-letters/ of today.'
    query: 'AppMetrics | where Name == "image_jobs.dead_letters" and tostring(Properties.reason) != "rejected" | summarize Value = sum(Sum)'
    severity: 2
    threshold: 0
    window: 'PT15M'
  }
  {
    name: 'parked'
    text: 'A job waits for a decision: it may have been paid for, and its policy is not to retry.'
    query: 'AppMetrics | where Name == "image_jobs.jobs" and tostring(Properties.outcome) == "parked" | summarize Value = sum(Sum)'
    severity: 2
    threshold: 0
    window: 'PT15M'
  }
  {
    name: 'unknown-outcomes'
    text: 'Calls ended, and it is unknown whether they were paid for.'
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
    name: 'foundry-down'
    text: 'Foundry fails: it answers 5xx, breaks connections or is silent. Jobs wait, and continue by themselves.'
    query: 'AppTraces | where Message has "alarm: circuit opened" and Message has "unavailable" | summarize Value = count()'
    severity: 2
    threshold: 0
    window: 'PT15M'
  }
  {
    name: 'storage-blocked'
    text: 'Storage takes no pictures, so no call is made.'
    query: 'AppTraces | where Message has "alarm: storage blocked" | summarize Value = count()'
    severity: 1
    threshold: 0
    window: 'PT15M'
  }
  {
    name: 'oldest-message'
    text: 'Jobs wait too long: the quota is too small, or the app does not run.'
    query: 'AppMetrics | where Name == "image_jobs.oldest_message_age" | summarize Value = max(Max)'
    severity: 2
    threshold: oldestMessageSeconds
    window: 'PT15M'
  }
  {
    name: 'waiting-late'
    text: 'Calls wait past their time: nobody moves them from the waiting queue to the tasks queue.'
    query: 'AppMetrics | where Name == "image_jobs.waiting_lateness" | summarize Value = max(Max)'
    severity: 2
    threshold: waitingLateSeconds
    window: 'PT15M'
  }
  {
    name: 'silence'
    text: 'The app sent no telemetry for half an hour: it does not run, or its telemetry does not arrive.'
    query: 'AppMetrics | where Name == "image_jobs.oldest_message_age" | summarize Seen = count() | project Value = iff(Seen == 0, 1, 0)'
    severity: 1
    threshold: 0
    window: 'PT30M'
  }
  {
    name: 'spend'
    text: 'The calls of one day may have cost more than the configured limit.'
    query: 'AppMetrics | where Name == "image_jobs.cost_at_most" | summarize Value = sum(Sum)'
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
      description: '${alert.text} What to do: docs/runbook.md#${alert.name}'
      severity: alert.severity
      enabled: true
      scopes: [workspaceId]
      // Frequent evaluation costs more: five minutes only for alerts about a full stop.
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
      // A new workspace has no tables yet, so the queries would be refused.
      skipQueryValidation: true
      actions: { actionGroups: [operators.id] }
    }
  }
]

@description('Resource id of the action group.')
output actionGroupId string = operators.id
