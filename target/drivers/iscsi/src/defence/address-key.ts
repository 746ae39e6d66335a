// SPDX-License-Identifier: Apache-2.0
// Addresses as limits count them, one by one or by the beginning of an IPv6 address, and sets of them.
import { BlockList, isIP, isIPv6 } from 'node:net'

/** The address without the prefix of IPv4 in IPv6, and without a zone. */
export const plainAddress = (address: string): string =>
  address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')

/** What limits for each address are kept by: an IPv6 address counts with all others that begin with the same bits. */
export function addressKey(address: string, bits: number): string {
  const plain = plainAddress(address)
  // Without a colon it is none; Node's test for IPv6 is a long expression, compiled when first used.
  if (!plain.includes(':') || !isIPv6(plain) || bits === 128) return plain
  const [head = '', tail] = plain.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const behind = tail === '' ? 0 : tail.split(':').length + (tail.includes('.') ? 1 : 0)
    while (groups.length < 8 - behind) groups.push('0')
    if (tail !== '') groups.push(...tail.split(':'))
  }
  const prefix: string[] = []
  for (let at = 0; at * 16 < bits; at++) {
    const mask = 0xffff << Math.max(0, at * 16 + 16 - bits)
    prefix.push((Number.parseInt(groups[at]!, 16) & mask & 0xffff).toString(16))
  }
  return `${prefix.join(':')}::/${bits}`
}

/**
 * Addresses and subnets (`10.0.0.0/8`, `::1`) as one set; null if one of them is none. Zones, and IPv4 written as IPv6,
 * are none: peers are compared without either.
 */
export function addressSet(list: readonly string[]): BlockList | null {
  const set = new BlockList()
  for (const one of list) {
    const [address = '', bits, ...rest] = one.split('/')
    const family = isIP(address)
    if (family === 0 || rest.length > 0 || plainAddress(address) !== address) return null
    const name = family === 4 ? 'ipv4' : 'ipv6'
    if (bits === undefined) set.addAddress(address, name)
    else if (/^\d+$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
      set.addSubnet(address, Number(bits), name)
    else return null
  }
  return set
}

/** Whether an address is in the set. */
export function isIn(set: BlockList, address: string): boolean {
  const plain = plainAddress(address)
  const family = isIP(plain)
  return family !== 0 && set.check(plain, family === 4 ? 'ipv4' : 'ipv6')
}
