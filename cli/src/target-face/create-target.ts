// SPDX-License-Identifier: Apache-2.0
// createTarget(): opens LUNs, starts the engine and the iSCSI driver, and is what `lunkit serve` runs.
import type { EventEmitter } from 'node:events'
import { type Device, type Observer, OperatorError, type TargetEvent } from '@lunkit/target-api'
import {
  type Capture,
  driver,
  type IscsiPort,
  type IsnsOptions,
  type IsnsRegistration,
  type Reception,
  type Redirect,
  type RedirectDecision,
  registerWithIsns,
  type TlsSource,
  type VendorKey,
} from '@lunkit/target-driver-iscsi'
import { TargetEngine } from '@lunkit/target-engine'
import { checkStateFolder } from '@lunkit/target-state'
import { type AccessSettings, accessOf, openGuard } from './access.ts'
import { checkGroups, settleGroups } from './groups.ts'
import { type GuardOptions, guardLimits } from './guard.ts'
import { checkTargetName, defaultTargetName } from './identity.ts'
import { type IscsiKeys, iscsiOptions } from './iscsi-keys.ts'
import { named } from './named-error.ts'
import { type LunSource, type OpenedLun, openLun, toSpec } from './open-lun.ts'
import type { Here } from './own-portals.ts'
import { accessOptions, byTag, type PortGroupSettings } from './port-groups.ts'
import { type PortalGiven, placesOf, portalOptions, reachable, settlePortals } from './portal-settings.ts'
import { checkLun, patienceOf } from './resolve-lun.ts'
import { RunningTarget } from './running-target.ts'
import { ServedUnits } from './served-units.ts'
import { openWatch, type WatchOptions } from './watch.ts'
import { whenThere } from './when-there.ts'

export interface TargetOptions extends AccessSettings {
  /** They become LUN 0, 1, 2 … */
  readonly luns: readonly LunSource[]
  /**
   * Where to listen: `127.0.0.1:0` if not given. `,TAG` behind an address names its portal group (1 if not given), which
   * is a target port of its own: `['10.0.0.1:3260,1', '10.1.0.1:3260,2']` are two paths to the same LUNs. `,tls` puts TLS
   * on it, `,advertise=HOST:PORT` has initiators told another address.
   */
  readonly portal?: PortalGiven | readonly PortalGiven[]
  /** Certificates for portals with TLS; a function is asked again by `reloadCertificates()`. */
  readonly tls?: TlsSource
  /** Asymmetric access (ALUA). If not given, several portal groups are a target port group each, active/optimized. */
  readonly portGroups?: PortGroupSettings
  /** iSCSI name of the target; made from the host name if not given. */
  readonly name?: string
  /** What the target asks for in login: bursts, digests, unsolicited data. */
  readonly iscsi?: IscsiKeys
  /** Limits against hostile or broken initiators; each portal group has its own. */
  readonly guard?: GuardOptions
  /** Where new sessions are sent instead of being served, or who decides that for each. */
  readonly redirect?: Redirect | RedirectDecision
  /** The same for single portal groups, by tag; they come before `redirect`. */
  readonly redirects?: Readonly<Record<number, Redirect>>
  /** Tells initiators at once when their list of LUNs or a capacity has changed (Linux then looks for LUNs by itself). */
  readonly asyncEvents?: boolean
  /** How long it looks for the next request before it sleeps, in microseconds, at most 10,000; 100 if not given, 0 for never. */
  readonly pollUs?: number
  /** Answers extension keys of iSCSI (`X-…`, `X#…`). */
  readonly vendorKey?: VendorKey
  /** Allows a public portal where anybody may log in. */
  readonly open?: boolean
  /**
   * Folder for what has to outlive the process: reservations with APTPL, saved mode pages, names that initiators set.
   * Nothing is kept if not given. It is made when something is first saved.
   */
  readonly state?: string | null
  /** What to show of what goes on, beyond events and `sessions()`. */
  readonly watch?: WatchOptions
  /** iSNS servers that are told of the target and its portals: `HOST[:PORT]`, or more of it. */
  readonly isns?: string | readonly string[] | IsnsOptions
  /** Closes the target when it fires; it is no longer waited for what a LUN leads to then. */
  readonly signal?: AbortSignal
  /** Told, while the target is opened, of a handler, server or unit that is not there yet and is waited for (`wait`). */
  readonly waiting?: (reason: string) => void
}

/** Who meets the initiators of a target whose ports listen nowhere themselves. */
export interface TargetReception {
  /** Of the portal group with this tag. */
  of(tag: number): Reception
  /** Told of the target's port with this tag, which takes connections from now on. */
  opened(tag: number, port: IscsiPort): void
}

/** Opens everything and listens; what was opened is closed again if anything fails. */
export function createTarget(options: TargetOptions): Promise<RunningTarget> {
  return openTarget(options, null)
}

/** The same with the portals of somebody else, where a reception is given: `portal` then says which these are. */
export async function openTarget(
  options: TargetOptions,
  reception: TargetReception | null,
): Promise<RunningTarget> {
  if (!Array.isArray(options?.luns) || options.luns.some(lun => lun === null || lun === undefined)) {
    throw new OperatorError('LUN_LIST', "A target needs 'luns', a list of LUNs", {
      hint: "such as { luns: [file('disk.img')] }",
    })
  }
  if (options.luns.length === 0)
    throw new OperatorError('NO_LUNS', 'No LUN was given', { hint: 'name an image file' })
  const portals = settlePortals(options.portal ?? '127.0.0.1:0', options.tls)
  const guard = await openGuard(portals, options.open)
  guard(options)
  const declared = settleGroups(options, lun => lun in options.luns)
  checkGroups(options, group => declared.has(group))
  options.signal?.throwIfAborted()
  const name = options.name === undefined ? defaultTargetName() : checkTargetName(options.name)
  let running: RunningTarget | null = null
  // Events before the target exists (a warning at open) are kept for whoever listens first.
  const early: TargetEvent[] = []
  const observe = (event: TargetEvent): void => {
    if (running === null) early.push(event)
    else tell(running, event)
  }
  const { limits, ...negotiated } = guarded(options)
  if (options.state) await checkStateFolder(options.state)
  const absent = await openAbsent()
  const ports: IscsiPort[] = []
  const here = { name, portals: () => [...portals.flatMap(placesOf), ...ports.flatMap(port => port.portals)] }
  const opened = await openLuns(options, here, observe)
  const engine = new TargetEngine({ observe, absent })
  const groups = byTag(portals)
  let capture: Capture | null = null
  let isns: IsnsRegistration | null = null
  try {
    const target = engine.addTarget({ name })
    for (const [lun, { device, identity, records }] of opened.entries()) {
      target.map(lun, engine.addUnit(device, identity, records))
    }
    for (const [group, places] of declared) {
      target.addGroup(group, [])
      for (const { lun, as, readonly } of places) target.map(as, target.unitAt(lun)!, group, readonly)
    }
    const watch = await openWatch(options.watch ?? {}, limits, observe)
    capture = watch.capture
    const grouping = accessOptions([...groups.keys()], options.portGroups)
    if (grouping !== null) target.setPortGroups(grouping)
    for (const [tpgt, group] of groups) {
      const portals = group.map(portalOptions)
      const admission = admissionOptions(options, tpgt)
      const settings = {
        limits,
        ...negotiated,
        ...watch.settings,
        ...admission,
        portals,
        tpgt,
        ...accessOf(name, options),
        ...(reception !== null && { reception: reception.of(tpgt) }),
      }
      const port = await driver.start(engine, settings)
      ports.push(port)
      reception?.opened(tpgt, port)
    }
    await capture?.begin()
    const state = options.state ?? null
    const bound = ports.flatMap(port => port.portals)
    const place = reachable([...groups.values()].flat(), bound)
    if (options.isns !== undefined) isns = await registerWithIsns(engine, isnsOptions(options.isns))
    const parts = {
      engine,
      device: target,
      ports,
      capture,
      place,
      isns,
      here,
      opened,
      state,
      observe,
      guard,
      declared,
    }
    running = new RunningTarget(parts)
  } catch (error) {
    await Promise.all([isns?.close(), ...ports.map(port => port.stop(0))])
    await capture?.close()
    await engine.close()
    throw error
  }
  const target = running
  setImmediate(() => early.forEach(event => void tell(target, event)))
  if (options.signal !== undefined) await closeOnAbort(target, options.signal)
  return target
}

/** What initiators are asked for, and the limits against hostile ones. */
export function guarded({ iscsi = {}, guard = {} }: Pick<TargetOptions, 'iscsi' | 'guard'>) {
  const { limits, ...rest } = iscsiOptions(iscsi)
  const { trustedAddresses } = guard
  return {
    ...rest,
    limits: { ...limits, ...guardLimits(guard) },
    ...(trustedAddresses !== undefined && { trustedAddresses }),
  }
}

function admissionOptions(options: TargetOptions, tag: number) {
  const { redirect, redirects = {}, vendorKey, asyncEvents = false, pollUs } = options
  const own = Object.hasOwn(redirects, tag) ? redirects[tag] : redirect
  return {
    ...(own !== undefined && { redirect: own }),
    ...(vendorKey !== undefined && { vendorKey }),
    asyncEvents,
    ...(pollUs !== undefined && { pollUs }),
  }
}

/** Rejects with the signal's reason if it has fired while the target was being opened. */
async function closeOnAbort(target: RunningTarget, signal: AbortSignal): Promise<void> {
  if (signal.aborted) {
    await target.close()
    signal.throwIfAborted()
  }
  // Nobody waits for this close: what goes wrong with it is told as an event.
  const close = (): void => {
    target.close().catch((error: unknown) => tell(target, { type: 'warning', reason: String(error) }))
  }
  signal.addEventListener('abort', close, { once: true })
  target.once('closed', () => signal.removeEventListener('abort', close))
}

function tell(target: RunningTarget, event: TargetEvent): void {
  // The compiler cannot follow that a name and its event belong together.
  const emitter = target as unknown as EventEmitter
  emitter.emit('event', event)
  emitter.emit(event.type, event)
}

async function openLuns(options: TargetOptions, here: Here, observe: Observer): Promise<OpenedLun[]> {
  const opened: OpenedLun[] = []
  const others = new ServedUnits()
  const state = options.state ?? null
  const { waiting: tell = () => {}, signal } = options
  const labelOf = (lun: number): string => `${here.name} LUN ${lun}`
  const several = options.luns.length > 1
  // A key that was mistyped in the last one creates no image for the first.
  for (const [lun, given] of options.luns.entries()) {
    await checkLun(toSpec(given, labelOf(lun))).catch((error: unknown) => {
      throw several ? named(`LUN ${lun}`, error) : error
    })
  }
  try {
    for (const [lun, given] of options.luns.entries()) {
      const label = labelOf(lun)
      const open = (): Promise<OpenedLun> => openLun(given, { label, state, here, others, observe })
      const one = await whenThere(open, () => patienceOf(toSpec(given, label)), { tell, signal })
      opened.push(one)
      others.add(one)
    }
  } catch (error) {
    // What made the opening fail is the error to tell; closing the others must not hide it or stop half-way.
    await Promise.allSettled(opened.map(({ device }) => device.close()))
    throw several ? named(`LUN ${opened.length}`, error) : error
  }
  return opened
}

export async function openAbsent(): Promise<Device> {
  const { device } = await import('@lunkit/target-devices/absent')
  return device.open(null, {})
}

export function isnsOptions(given: string | readonly string[] | IsnsOptions): IsnsOptions {
  return typeof given === 'string' ? { servers: [given] } : 'servers' in given ? given : { servers: given }
}
