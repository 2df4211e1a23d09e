-- ARGV: node. Without an epoch: it ends whatever log it followed. A heartbeat that it sent before may come after this, so
-- its end is noted, and goes when nothing of it can be under way any more.
local head = load()
if head and head.layout == LAYOUT then
  ask('HSET', NODES, ARGV[1], 'left ' .. string.format('%.0f', now()))
end
return { 'ok' }
