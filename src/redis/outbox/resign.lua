-- ARGV: node.
if redis.pcall('GET', LEAD) == ARGV[1] then
  redis.call('DEL', LEAD)
end
return { 'ok' }
