// SPDX-License-Identifier: Apache-2.0
// createTarget(): opens LUNs, starts the engine and the iSCSI driver, and is what `lunkit serve` runs.
import { EventEmitter } from 'node:events'
import {
  type Device,
  type DeviceType,
  type Identity,
  type Observer,
  OperatorError,
  type TargetEvent,
  type UnitRecords,
} from '@lunkit/target-api'
import { driver, type IscsiPort } from '@lunkit/target-driver-iscsi'
import { TargetEngine } from '@lunkit/target-engine'
import { openRecords } from '@lunkit/target-state'
import type { ObjectStorage } from '@lunkit/target-stores/object'
import { checkTargetName, defaultTargetName, makeIdentity } from './identity.ts'
import { type LunSpec, parseLun, resolveLun } from './lun-spec.ts'
import { formatPortal, isLoopback, type Portal, parsePortal } from './portal.ts'

/** CHAP credentials; `mutual` is what the target proves itself with. Secrets of 12 bytes or more are advised. */
export interface ChapOptions {
  readonly user: string
  readonly secret: string
  readonly mutual?: { readonly user: string; readonly secret: string }
}

export interface TargetOptions {
  /** A LUN argument (`disk.img,size=1G`), what `file()` and its kin give, or an object with size and read. */
  readonly luns: readonly (string | LunSpec | ObjectStorage)[]
  /** Where to listen: `127.0.0.1:0` if not given. */
  readonly portal?: string | readonly string[]
  /** iSCSI name of the target; made from the host name if not given. */
  readonly name?: string
  readonly chap?: ChapOptions
  /** Initiator names that may log in, with * and ?; everybody if not given. */
  readonly initiators?: readonly string[]
  /** Allows a public portal without CHAP and without an initiator list. */
  readonly open?: boolean
  /**
   * Folder for what has to outlive the process: reservations with APTPL, saved mode pages, names that initiators set.
   * Nothing is kept if not given. It is made when something is first saved.
   */
  readonly state?: string | null
  /** Closes the target when it fires. */
  readonly signal?: AbortSignal
}

export interface LunView {
  readonly lun: number
  readonly url: string
  readonly bytes: number
  readonly kind: string
  readonly store: string
}

type EventsByName = { [T in TargetEvent['type']]: [event: Extract<TargetEvent, { type: T }>] } & {
  event: [event: TargetEvent]
  /** Nothing of the target is left. */
  closed: []
}

/** How long a close waits for initiators to log out before it cuts them off. */
const GRACE_MS = 2000

/** A running target. Emits each TargetEvent under its type and under `event`. */
export class RunningTarget extends EventEmitter<EventsByName> {
  readonly name: string
  /** As bound: `127.0.0.1:3260`. */
  readonly portals: readonly string[]
  readonly luns: readonly LunView[]
  readonly #port: IscsiPort
  readonly #engine: TargetEngine
  #closing: Promise<void> | null = null

  constructor(name: string, luns: readonly LunView[], port: IscsiPort, engine: TargetEngine) {
    super()
    this.name = name
    this.portals = port.portals.map(formatPortal)
    this.luns = luns
    this.#port = port
    this.#engine = engine
  }

  /** URL of LUN 0, as libiscsi and QEMU take it. */
  get url(): string {
    return this.luns[0]!.url
  }

  /** Asks initiators to log out, ends their sessions, flushes and closes the stores. May be called twice. */
  close({ graceMs = GRACE_MS }: { graceMs?: number } = {}): Promise<void> {
    this.#closing ??= (async () => {
      try {
        await this.#port.stop(graceMs)
        await this.#engine.close()
      } finally {
        this.emit('closed')
      }
    })()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** Opens everything and listens; what was opened is closed again if anything fails. */
export async function createTarget(options: TargetOptions): Promise<RunningTarget> {
  if (!Array.isArray(options?.luns) || options.luns.some(lun => lun === null || lun === undefined)) {
    throw new OperatorError('LUN_LIST', "A target needs 'luns', a list of LUNs", {
      hint: "such as { luns: [file('disk.img')] }",
    })
  }
  if (options.luns.length === 0)
    throw new OperatorError('NO_LUNS', 'No LUN was given', { hint: 'name an image file' })
  const portals = [options.portal ?? '127.0.0.1:0'].flat().map(parsePortal)
  checkAccess(portals, options)
  options.signal?.throwIfAborted()
  const name = options.name === undefined ? defaultTargetName() : checkTargetName(options.name)
  let running: RunningTarget | null = null
  // Events before the target exists (a warning at open) are kept for whoever listens first.
  const early: TargetEvent[] = []
  const observe = (event: TargetEvent): void => {
    if (running === null) early.push(event)
    else tell(running, event)
  }
  const absent = await openAbsent()
  const opened = await openLuns(options, name, observe)
  const engine = new TargetEngine({ observe, absent })
  try {
    const target = engine.addTarget({ name })
    for (const [lun, { device, identity, records }] of opened.entries()) {
      target.map(lun, engine.addUnit(device, identity, records))
    }
    const access = {
      ...(options.chap && { chap: options.chap }),
      ...(options.initiators && { initiators: options.initiators }),
    }
    const port = await driver.start(engine, { portals, access: { [name]: access } })
    const luns = opened.map(({ device, spec }, lun) => ({
      lun,
      url: `iscsi://${formatPortal(reachable(port.portals[0]!))}/${name}/${lun}`,
      bytes: device.blocks * device.blockSize,
      kind: spec.kind,
      store: spec.store,
    }))
    running = new RunningTarget(name, luns, port, engine)
  } catch (error) {
    await engine.close()
    throw error
  }
  const target = running
  setImmediate(() => early.forEach(event => void tell(target, event)))
  if (options.signal !== undefined) await closeOnAbort(target, options.signal)
  return target
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

interface OpenedLun {
  readonly spec: LunSpec
  /** What its names are made of. */
  readonly storage: string
  readonly device: Device
  readonly identity: Identity
  readonly records: UnitRecords | null
}

async function openLuns(options: TargetOptions, target: string, observe: Observer): Promise<OpenedLun[]> {
  const opened: OpenedLun[] = []
  try {
    for (const [lun, given] of options.luns.entries()) {
      const spec = toSpec(given, `${target} LUN ${lun}`)
      const { deviceType, store, beside, deviceValues, unitValues } = await resolveLun(spec)
      try {
        const storage = store.identity || `${spec.store}:${target}/${lun}`
        const identity = makeIdentity(storage, unitValues)
        refuseTwin(opened, { spec, storage, identity })
        const lasts = store.identity !== '' || NAMING.some(key => Object.hasOwn(unitValues, key))
        const records = await openState(lasts ? (options.state ?? null) : null, spec, identity, observe)
        const device = await deviceType.open(store, deviceValues, beside)
        if (store.note) observe({ type: 'warning', reason: `${spec.label}: ${store.note}` })
        opened.push({ spec, storage, device, identity, records })
      } catch (error) {
        await store.close()
        await beside?.close()
        throw error
      }
    }
  } catch (error) {
    await closeAll(opened)
    throw error
  }
  return opened
}

/** Keys that make a unit the same in every run, even if its storage has no name of its own (as memory has none). */
const NAMING = ['serial', 'naa'] as const

/** The unit's records; null if nothing is to be kept. */
async function openState(
  folder: string | null,
  spec: LunSpec,
  identity: Identity,
  observe: Observer,
): Promise<UnitRecords | null> {
  if (folder === null) return null
  return openRecords(folder, identity.naa, reason =>
    observe({ type: 'warning', reason: `${spec.label}: ${reason}` }),
  )
}

/** Two disks of one serial would be one to multipath software, which then mixes them. */
function refuseTwin(opened: readonly OpenedLun[], one: Omit<OpenedLun, 'device' | 'records'>): void {
  const twin = opened.find(
    ({ identity, storage }) => identity.serial === one.identity.serial && storage !== one.storage,
  )
  if (twin === undefined) return
  throw new OperatorError(
    'SERIAL_TWICE',
    `'${twin.spec.label}' and '${one.spec.label}' have one serial number`,
    {
      hint: 'give each its own, or none',
    },
  )
}

async function closeAll(opened: readonly OpenedLun[]): Promise<void> {
  // What made the opening fail is the error to tell; closing the others must not hide it or stop half-way.
  await Promise.allSettled(opened.map(({ device }) => device.close()))
}

async function openAbsent(): Promise<Device> {
  const { device } = (await import('@lunkit/target-devices/absent')) as { device: DeviceType }
  return device.open(null, {})
}

function toSpec(given: string | LunSpec | ObjectStorage, label: string): LunSpec {
  if (typeof given === 'string') return parseLun(given)
  if ('store' in given && 'keys' in given) return given
  return { kind: 'disk', store: 'object', keys: {}, object: given, label }
}

function checkAccess(portals: readonly Portal[], options: TargetOptions): void {
  const exposed = portals.find(({ host }) => !isLoopback(host))
  if (exposed === undefined || options.open || options.chap || options.initiators?.length) return
  throw new OperatorError(
    'PORTAL_OPEN',
    `Portal ${formatPortal(exposed)} can be reached from other machines, and anybody could log in`,
    { hint: 'set CHAP or a list of initiators, or say --open if that is wanted' },
  )
}

/** A wildcard address cannot be connected to: in URLs it becomes loopback. */
function reachable(portal: Portal): Portal {
  if (portal.host === '0.0.0.0') return { ...portal, host: '127.0.0.1' }
  return portal.host === '::' ? { ...portal, host: '::1' } : portal
}
