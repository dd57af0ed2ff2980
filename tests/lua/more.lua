-- A second script of the configuration: it takes something from the first, and defines it anew.

second = first .. ', seen by more.lua'
first = 'of more.lua'

calls = {}
function OnStoredInstance(id, tags, metadata, origin)
   table.insert(calls, {'OnStoredInstance', id})
end
