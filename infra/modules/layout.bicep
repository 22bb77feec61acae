// The queues and containers of the app, in one table.
//
// Each key is a setting of the app, and each value is its default. So the app uses exactly what is created
// here. tests/infra compares them with shared/config/settings.py and local/stack/settings.py.

@export()
@description('Queues that start a function. Each has a poison queue. The app also sends to them.')
var jobQueues = {
  JOBS_QUEUE: 'image-jobs'
  TASKS_QUEUE: 'image-tasks'
  FINISH_QUEUE: 'image-finish'
  DELIVERIES_QUEUE: 'image-deliveries'
  MANIFESTS_QUEUE: 'image-manifests'
}

@export()
@description('Queues that the app sends to and reads itself. They start no function.')
var waitingQueues = {
  WAITING_QUEUE: 'image-waiting'
}

@export()
@description('Queues that the app only sends to.')
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
@description('Container of pictures. The app writes to it and sets index tags.')
var labelledContainers = {
  IMAGES_CONTAINER: 'images'
}

@export()
@description('Containers that callers write and the app reads. It also writes pictures to edit into the inputs.')
var readContainers = {
  INPUTS_CONTAINER: 'inputs'
  MANIFESTS_CONTAINER: 'manifests'
}

@export()
@description('Container for events that Event Grid could not deliver.')
var undeliveredContainer = 'undelivered'
