// What the app finds in its storage account, by name: the one table of queues and containers.
//
// A key is a setting of the app and its value the default of that setting: what is made here is
// what the app is told. tests/infra holds both against shared/config/settings.py and local/stack/settings.py.

@export()
@description('Queues that start a function. Each gets a poison queue; the app also sends to them.')
var jobQueues = {
  JOBS_QUEUE: 'image-jobs'
  SMALL_QUEUE: 'image-jobs-small'
  STANDARD_QUEUE: 'image-jobs-standard'
  LARGE_QUEUE: 'image-jobs-large'
  FINISH_QUEUE: 'image-finish'
  DELIVERIES_QUEUE: 'image-deliveries'
  MANIFESTS_QUEUE: 'image-manifests'
}

@export()
@description('Queues the app only sends to: others read them.')
var eventQueues = {
  EVENTS_QUEUE: 'image-events'
}

@export()
@description('Containers the app writes to.')
var writtenContainers = {
  JOBS_CONTAINER: 'jobs'
  DEAD_LETTERS_CONTAINER: 'dead-letters'
  PACE_CONTAINER: 'pace'
}

@export()
@description('The container of pictures: written to, and labelled with index tags.')
var labelledContainers = {
  IMAGES_CONTAINER: 'images'
}

@export()
@description('Containers that callers write to and the app reads.')
var readContainers = {
  INPUTS_CONTAINER: 'inputs'
  MANIFESTS_CONTAINER: 'manifests'
}

@export()
@description('The container of pacing ledgers, which no setting names.')
var paceContainer = 'pace'

@export()
@description('Where Event Grid leaves events that it could not deliver.')
var undeliveredContainer = 'undelivered'
