/** Addresses of this machine and of local networks: RFC 1918, RFC 3927, RFC 4193, RFC 4291, loopback. */
import { BlockList, isIP } from 'node:net';

const LAN = new BlockList();
LAN.addSubnet('127.0.0.0', 8, 'ipv4');
LAN.addSubnet('10.0.0.0', 8, 'ipv4');
LAN.addSubnet('172.16.0.0', 12, 'ipv4');
LAN.addSubnet('192.168.0.0', 16, 'ipv4');
LAN.addSubnet('169.254.0.0', 16, 'ipv4');
LAN.addAddress('::1', 'ipv6');
LAN.addSubnet('fc00::', 7, 'ipv6');
LAN.addSubnet('fe80::', 10, 'ipv6');

/** Undefined when the text is no address but a name. */
export function isLanAddress(text: string): boolean | undefined {
  const family = isIP(text);
  if (family === 0) return undefined;
  return LAN.check(text, family === 4 ? 'ipv4' : 'ipv6');
}
