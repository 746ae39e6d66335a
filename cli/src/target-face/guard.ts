// SPDX-License-Identifier: Apache-2.0
// What the target does against hostile or broken initiators: limits by name, and addresses that they are not for.
import { OperatorError } from '@lunkit/target-api'
import { DEFAULT_LIMITS, type Limits } from '@lunkit/target-driver-iscsi'

const NAMES = [
  'loginTimeoutMs',
  'pendingConnections',
  'pendingBytes',
  'sessions',
  'discoverySessions',
  'sessionsPerInitiator',
  'sessionsPerTarget',
  'connectionsPerAddress',
  'ipv6PrefixBits',
  'addressLoginsPerSecond',
  'addressLoginBurst',
  'loginsPerSecond',
  'loginBurst',
  'failedLogins',
  'loginBackOffMs',
  'sendQueueBytes',
  'dataTimeoutMs',
  'earlyDataBytes',
  'textBytes',
  'sessionBytes',
] as const satisfies readonly (keyof Limits)[]

/** For the help of the command line: each with its value if not given. */
export const LIMITS_HELP = NAMES.map(name => `${name} (${DEFAULT_LIMITS[name]})`)
  .join(', ')
  .replace(/(.{80,117},) /g, '$1\n')

/** Limits of each portal group, as the iSCSI driver describes them. */
export interface GuardOptions extends Partial<Pick<Limits, (typeof NAMES)[number]>> {
  /** Addresses and subnets without limits for each address and without login rates: loopback if not given. */
  readonly trustedAddresses?: readonly string[]
}

const isName = (name: string): name is (typeof NAMES)[number] => NAMES.some(one => one === name)

/** The driver's limits, added to those that are there. Throws OperatorError for a name that is none. */
export function guardLimits({ trustedAddresses: _, ...guard }: GuardOptions): Partial<Limits> {
  const given = Object.entries(guard).filter(([, value]) => value !== undefined)
  const stray = given.find(([name]) => !isName(name))
  if (stray === undefined) return Object.fromEntries(given)
  throw new OperatorError('GUARD_KEY', `'${stray[0]}' is no limit`, {
    hint: `limits are ${NAMES.join(', ')}`,
  })
}

/** `name=number` texts and trusted addresses of the command line, besides loopback. Throws OperatorError. */
export function parseGuard(limits: readonly string[], trust: readonly string[]): GuardOptions {
  const guard: Record<string, number> = {}
  for (const text of limits) {
    const [, name = '', number = ''] = /^([A-Za-z0-9]+)=(.*)$/.exec(text) ?? []
    if (!isName(name)) {
      throw new OperatorError('GUARD_KEY', `'--limit ${text}' is no limit`, {
        hint: `write --limit connectionsPerAddress=${DEFAULT_LIMITS.connectionsPerAddress}; limits are ${NAMES.join(', ')}`,
      })
    }
    if (!/^\d+$/.test(number)) {
      throw new OperatorError('GUARD_KEY', `'${number}' is no value for the limit '${name}'`, {
        hint: `give a whole number; it is ${DEFAULT_LIMITS[name]} if not given`,
      })
    }
    guard[name] = Number(number)
  }
  return { ...guard, ...(trust.length > 0 && { trustedAddresses: ['127.0.0.0/8', '::1', ...trust] }) }
}
