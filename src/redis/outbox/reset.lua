-- ARGV: why. What is in the queue cannot be handled job by job: everything takes its place.
everything(QUEUE, position(of_head('last')) or { now(), 0 }, ARGV[1])
return { 'ok' }
