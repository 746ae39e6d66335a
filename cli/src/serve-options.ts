// SPDX-License-Identifier: Apache-2.0
// Flags of `lunkit serve`, which are also the keys of a target in a file, made into what createTarget takes.
import { OperatorError } from '@lunkit/target-api'
import type { AccessFlags } from './access-flags.ts'
import { type IsnsFlags, isnsOptions } from './isns-flags.ts'
import { redirectOptions } from './redirect-flags.ts'
import type { TargetOptions } from './target-face/create-target.ts'
import { parseGuard } from './target-face/guard.ts'
import type { IscsiKeys } from './target-face/iscsi-keys.ts'
import type { LunSource } from './target-face/open-lun.ts'
import type { AccessStateName } from './target-face/port-groups.ts'
import { parsePortal } from './target-face/portal.ts'
import { type TlsFlags, tlsSource } from './tls-files.ts'
import { type WatchFlags, watchOptions } from './watch-options.ts'

/** Those that say what is served, where and to whom. */
export interface TargetFlags extends TlsFlags, IsnsFlags, WatchFlags, AccessFlags {
  readonly portal?: string[]
  readonly portGroup?: string[]
  readonly explicitAlua?: true
  readonly name?: string
  readonly redirect?: string[]
  readonly redirectPermanent?: true
  readonly drain?: string
  readonly asyncEvents?: true
  readonly poll?: string
  readonly open?: true
  readonly iscsi?: string[]
  readonly limit?: string[]
  readonly trust?: string[]
  /** false: --no-state. */
  readonly state: string | false
}

export const DEFAULT_PORTAL = '127.0.0.1:3260'
/** A drain takes at most this long if nothing else is asked for: the process ends well within five seconds of a signal. */
const GRACE_SECONDS = 3
/** What an initiator can be told. */
const LONGEST_DRAIN_SECONDS = 65_535

const LONGEST_POLL_US = 10_000

/** All but who may log in, which comes from files (`readAccess`). Throws OperatorError and UsageError. */
export function targetOptions(luns: readonly LunSource[], flags: TargetFlags): TargetOptions {
  const tls = tlsSource(flags)
  return {
    luns,
    portal: flags.portal ?? [DEFAULT_PORTAL],
    state: flags.state === false ? null : flags.state,
    ...(flags.name !== undefined && { name: flags.name }),
    ...(flags.open && { open: true }),
    ...(flags.asyncEvents && { asyncEvents: true }),
    ...(flags.poll !== undefined && { pollUs: pollOf(flags.poll) }),
    ...redirectOptions(flags, flags.portal ?? []),
    ...(tls !== null && { tls }),
    guard: parseGuard(flags.limit ?? [], flags.trust ?? []),
    ...(flags.iscsi && { iscsi: keysOfFlags(flags.iscsi) }),
    ...isnsOptions(flags),
    ...portGroupsOf(flags),
    watch: watchOptions(flags),
  }
}

/** How long initiators have to log out at the end, in milliseconds. Throws OperatorError. */
export function graceOf(drain: string | undefined): number {
  if (drain === undefined) return 1000 * GRACE_SECONDS
  const seconds = Number(drain)
  if (drain.trim() !== '' && seconds >= 0 && seconds <= LONGEST_DRAIN_SECONDS) return 1000 * seconds
  throw new OperatorError('DRAIN_VALUE', `'--drain ${drain}' is no time`, {
    hint: `give seconds, up to ${LONGEST_DRAIN_SECONDS}`,
  })
}

function pollOf(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isInteger(value) && value >= 0 && value <= LONGEST_POLL_US) return value
  throw new OperatorError('POLL_VALUE', `'--poll ${text}' is no time`, {
    hint: `give microseconds, up to ${LONGEST_POLL_US}, or 0 to sleep at once`,
  })
}

/** Target port groups, if anything is said of them: one for each tag. */
function portGroupsOf({
  portal = [],
  portGroup = [],
  explicitAlua,
}: TargetFlags): Pick<TargetOptions, 'portGroups'> {
  if (portGroup.length === 0 && explicitAlua === undefined) return {}
  const states = new Map(portGroup.map(text => text.split('=') as [string, AccessStateName | undefined]))
  const tags = new Set(portal.length === 0 ? [1] : portal.map(text => parsePortal(text).tag))
  for (const [tag, state] of states) {
    if (state !== undefined && tags.has(Number(tag))) continue
    throw new OperatorError(
      'PORT_GROUP_VALUE',
      state === undefined
        ? `'--port-group ${tag}' is no tag=state`
        : `No portal has the tag of '--port-group ${tag}=${state}'`,
      {
        hint: 'write --portal 10.1.0.1,2 --port-group 2=standby',
      },
    )
  }
  const groups = [...tags]
    .sort((a, b) => a - b)
    .map(tag => {
      const state = states.get(String(tag))
      return { portals: [tag], ...(state !== undefined && { state }) }
    })
  return { portGroups: { explicit: explicitAlua === true, ...(groups.length > 0 && { groups }) } }
}

/** Texts of --iscsi as keys; what they may be is checked where the target is made. */
function keysOfFlags(texts: readonly string[]): IscsiKeys {
  const keys: Record<string, string> = {}
  for (const text of texts) {
    const [, name, value] = /^([^=]+)=(.*)$/.exec(text) ?? []
    if (name === undefined) {
      throw new OperatorError('ISCSI_KEY', `'--iscsi ${text}' is no key=value`, {
        hint: 'write --iscsi MaxBurstLength=256K',
      })
    }
    keys[name] = value!
  }
  return keys as IscsiKeys
}
