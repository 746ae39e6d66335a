// SPDX-License-Identifier: Apache-2.0
// Hosts that initiators can be told to connect to; they go into TargetAddress as they are (RFC 7143, 13.8).
import { isIP } from 'node:net'

const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/i

/** Whether it is a host name, or an address (IPv6 without brackets) that means one host to everybody. */
export function isDestination(host: string): boolean {
  if (isIP(host) === 0) return HOST_NAME.test(host) && !/^[\d.]+$/.test(host)
  return host !== '0.0.0.0' && host !== '::' && !host.includes('%')
}
