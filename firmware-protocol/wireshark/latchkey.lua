-- Dissects frames of the open wire (../PROTOCOL.md). Sealed text stays sealed: this needs no key and shows who speaks, its
-- number and whether the CRC is right.
--
-- Captures of a serial line have no link type of their own: write them with type USER0 (147), one frame a packet, delimiters and all,
--     text2pcap -l 147 frames.txt line.pcap
--     tshark -X lua_script:latchkey.lua -o 'uat:user_dlts:"User 0 (DLT=147)","latchkey","0","","0",""' -r line.pcap -V
local wire = Proto('latchkey', 'Latchkey open wire')

local f = wire.fields
f.version = ProtoField.uint8('latchkey.version', 'Version', base.DEC)
f.from = ProtoField.string('latchkey.from', 'Spoken by')
f.sealed = ProtoField.bool('latchkey.sealed', 'Sealed')
f.address = ProtoField.uint8('latchkey.address', 'Address', base.DEC)
f.type = ProtoField.string('latchkey.type', 'Type')
f.number = ProtoField.uint32('latchkey.number', 'Number', base.DEC)
f.body = ProtoField.bytes('latchkey.body', 'Body')
f.text = ProtoField.bytes('latchkey.text', 'Encrypted type and body')
f.tag = ProtoField.bytes('latchkey.tag', 'Tag')
f.crc = ProtoField.uint32('latchkey.crc', 'CRC-32', base.HEX)
f.identity = ProtoField.bytes('latchkey.identity', 'Identity')
f.boot = ProtoField.uint32('latchkey.boot', 'Boot', base.DEC)
f.key = ProtoField.uint16('latchkey.key', 'Key number', base.DEC)

local damaged = ProtoExpert.new('latchkey.damaged', 'Damaged frame', expert.group.CHECKSUM, expert.severity.ERROR)
wire.experts = { damaged }

local TYPES = {
  [0x01] = 'WHO', [0x02] = 'HUSH', [0x03] = 'ASSIGN', [0x04] = 'HELLO', [0x05] = 'PROVE',
  [0x81] = 'HERE', [0x82] = 'HUSHED', [0x83] = 'ASSIGNED', [0x84] = 'CHALLENGE', [0x86] = 'ATTENTION', [0xff] = 'REFUSED',
}

-- Written with arithmetic: Wireshark has brought Lua 5.1 to 5.4, whose bit operators differ.
local function xor(a, b)
  local result, bit = 0, 1
  while a > 0 or b > 0 do
    if a % 2 ~= b % 2 then result = result + bit end
    a, b, bit = math.floor(a / 2), math.floor(b / 2), bit * 2
  end
  return result
end

local function crc32(bytes, size)
  local crc = 0xffffffff
  for i = 0, size - 1 do
    crc = xor(crc, bytes:get_index(i))
    for _ = 1, 8 do
      local low = crc % 2
      crc = math.floor(crc / 2)
      if low == 1 then crc = xor(crc, 0xedb88320) end
    end
  end
  return xor(crc, 0xffffffff)
end

-- The content of the frame between the delimiters, or nil and why.
local function decode(buffer)
  local from, to = 0, buffer:len() - 1
  while from <= to and buffer(from, 1):uint() == 0 do from = from + 1 end
  while to >= from and buffer(to, 1):uint() == 0 do to = to - 1 end
  local out, at, size = ByteArray.new(), from, 0
  out:set_size(buffer:len())
  while at <= to do
    local code = buffer(at, 1):uint()
    if code == 0 or at + code - 1 > to then return nil, 'not COBS' end
    for i = 1, code - 1 do
      out:set_index(size, buffer(at + i, 1):uint())
      size = size + 1
    end
    at = at + code
    if code ~= 0xff and at <= to then
      out:set_index(size, 0)
      size = size + 1
    end
  end
  if size < 7 then return nil, 'too short' end
  return out:subset(0, size)
end

local function open_body(tree, kind, body)
  if kind == 0x84 and body:len() == 47 then
    tree:add_le(f.key, body(1, 2))
    tree:add(f.identity, body(3, 8))
    tree:add_le(f.boot, body(11, 4))
  elseif kind == 0x81 and body:len() == 14 then
    tree:add(f.identity, body(0, 8))
    tree:add_le(f.boot, body(9, 4))
  elseif kind == 0x04 and body:len() == 20 then
    tree:add_le(f.key, body(2, 2))
  elseif body:len() > 0 then
    tree:add(f.body, body)
  end
end

function wire.dissector(buffer, pinfo, root)
  pinfo.cols.protocol = 'LATCHKEY'
  local tree = root:add(wire, buffer())
  local bytes, why = decode(buffer)
  if bytes == nil then
    tree:add_proto_expert_info(damaged, why)
    pinfo.cols.info = 'damaged: ' .. why
    return
  end
  local content = bytes:tvb('Content without COBS')
  local size = content:len()
  local control = content(0, 1):uint()
  local is_device = math.floor(control / 16) % 2 == 1
  local is_sealed = math.floor(control / 8) % 2 == 1
  tree:add(f.version, content(0, 1), math.floor(control / 32))
  tree:add(f.from, content(0, 1), is_device and 'device' or 'gateway')
  tree:add(f.sealed, content(0, 1), is_sealed)
  tree:add(f.address, content(1, 1))
  local said
  if is_sealed and size >= 19 then
    tree:add_le(f.number, content(2, 4))
    tree:add(f.text, content(6, size - 18))
    tree:add(f.tag, content(size - 12, 8))
    said = 'sealed ' .. content(2, 4):le_uint()
  else
    local kind = content(2, 1):uint()
    said = TYPES[kind] or string.format('type %02x', kind)
    tree:add(f.type, content(2, 1), said)
    if size > 7 then open_body(tree, kind, content(3, size - 7)) end
  end
  tree:add_le(f.crc, content(size - 4, 4))
  if crc32(bytes, size - 4) ~= content(size - 4, 4):le_uint() then
    tree:add_proto_expert_info(damaged, 'CRC-32 does not fit')
    said = said .. ', damaged'
  end
  pinfo.cols.info = (is_device and 'device ' or 'gateway to ') .. content(1, 1):uint() .. ': ' .. said
end

DissectorTable.get('wtap_encap'):add(wtap.USER0, wire)
