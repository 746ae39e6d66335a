// SPDX-License-Identifier: Apache-2.0
// The plug-in `iscsi`: a disk of an iSCSI target as bytes, so that filters, other block lengths and lunkit's own disk stand in front of it.
import { formatUrl, InitiatorError, openSession, type Session, Unit } from '@lunkit/initiator-driver-iscsi'
import { CACHING, MODE_HEADER_6, MODE_SENSE_6, ModeCode, Status } from '@lunkit/spec'
import { OperatorError, type ParameterValues, type StoreType } from '@lunkit/target-api'
import { type IscsiDisk, IscsiStore, type WriteMode } from './iscsi-store.ts'
import { ISCSI_KEYS, loginOptions } from './keys.ts'
import { nameOf } from './unit-name.ts'
import { placeOf, type UnitUrl, urlOf } from './unit-url.ts'

const LOGIN_MS = 10_000
/** For a command, in seconds. */
const USUAL_SECONDS = 60
/** Tries go on for as long as the store is open. */
const FOR_EVER = 1_000_000
const DELAYS = [0, 100, 250, 500, 1000]
const QUEUE_DEPTH = 128
/** A write of less than a block has the whole of it in memory. */
const LARGEST_BLOCK = 65_536

export const store: StoreType = {
  apiVersion: 1,
  name: 'iscsi',
  parameters: {
    url: {
      type: 'string',
      help: 'Where the disk is: iscsi://[USER@]HOST[:PORT]/TARGET/LUN',
      required: true,
      argument: true,
    },
    wait: {
      type: 'integer',
      help: 'Seconds that requests wait for a target that is away',
      initial: 20,
      least: 0,
      most: 1_000_000,
    },
    timeout: {
      type: 'integer',
      help: 'Seconds that the target may take for a request',
      initial: USUAL_SECONDS,
      least: 1,
      most: 1_000_000,
    },
    readonly: { type: 'boolean', help: 'Refuse every write', initial: false },
    ...ISCSI_KEYS,
  },
  hold: async values => ({ name: await placeOf(urlIn(values)), shared: values['readonly'] === true }),
  async open(values) {
    const url = urlIn(values)
    const timeoutMs = Number(values['timeout'] ?? USUAL_SECONDS) * 1000
    const login = await loginOptions(values, url)
    const identity = formatUrl(url.portal, url.target, url.lun)
    // Events come before there is a store to hear them.
    let opened: IscsiStore | null = null
    let session: Session | null = null
    try {
      session = await openSession({
        ...login,
        portal: url.portal,
        target: url.target,
        queueDepth: QUEUE_DEPTH,
        loginTimeoutMs: LOGIN_MS,
        commandTimeoutMs: timeoutMs,
        reconnect: { attempts: FOR_EVER, delays: DELAYS },
        onEvent: event => opened?.heard(event),
      })
      const unit = new Unit(session, url.lun)
      const { deviceType } = await unit.open()
      if (deviceType !== 0) throw noDisk(identity)
      const [capacity, limits] = [await unit.capacity(), await unit.limits()]
      const cache = await askCache(unit)
      const name = await nameOf(unit)
      const patienceMs = Number(values['wait']) * 1000
      const canWrite = values['readonly'] !== true && !cache.isProtected
      opened = new IscsiStore({
        unit,
        session,
        identity,
        name,
        blockSize: checkBlock(identity, capacity),
        size: capacity.bytes,
        preferredBlock: capacity.physicalBlockSize,
        canWrite,
        canUnmap: canWrite && limits.canUnmap,
        mode: cache.mode,
        patienceMs,
      })
      return opened
    } catch (error) {
      await session?.close()
      if (!(error instanceof InitiatorError)) throw error
      throw new OperatorError(error.code, `${identity} cannot be used: ${error.message}`, {
        hint: error.hint,
        cause: error,
      })
    }
  },
}

function urlIn({ url }: ParameterValues): UnitUrl {
  const text = String(url)
  return urlOf(text.startsWith('//') ? `iscsi:${text}` : text)
}

const noDisk = (identity: string): OperatorError =>
  new OperatorError('ISCSI_DISK', `${identity} is no disk`, {
    hint: `pass it through as it is: passthrough:${identity}`,
  })

function checkBlock(identity: string, { blockSize }: Pick<IscsiDisk, 'blockSize'>): number {
  if (blockSize >= 512 && blockSize <= LARGEST_BLOCK && Number.isInteger(Math.log2(blockSize)))
    return blockSize
  throw new OperatorError('ISCSI_BLOCK', `${identity} has blocks of ${blockSize} bytes`, {
    hint: `only powers of two from 512 to ${LARGEST_BLOCK} can be served`,
  })
}

/** How writes become durable there, since nobody hears what a target that was away has lost from its cache. */
async function askCache(unit: Unit): Promise<{ mode: WriteMode; isProtected: boolean }> {
  await unit.testReady()
  const room = MODE_HEADER_6.length + CACHING.length
  const cdb = MODE_SENSE_6.cdb.write({ dbd: 1, pageCode: ModeCode.caching, allocation: room })
  cdb[0] = MODE_SENSE_6.opcode
  const { status, dataIn } = await unit.execute(cdb, { expectedIn: room })
  const at = MODE_HEADER_6.length
  if (status !== Status.good || dataIn.length <= at + 2) return { mode: 'flush', isProtected: false }
  const { writeProtect, dpofua } = MODE_HEADER_6.field
  const hasCache = CACHING.field.wce.get(dataIn, at) === 1
  const mode = !hasCache ? 'plain' : dpofua.get(dataIn, 0) === 1 ? 'fua' : 'flush'
  return { mode, isProtected: writeProtect.get(dataIn, 0) === 1 }
}
