-- ARGV: node. Without an epoch: it ends whatever log it followed.
local head = load()
if head and head.layout == LAYOUT then
  ask('HDEL', NODES, ARGV[1])
end
return { 'ok' }
