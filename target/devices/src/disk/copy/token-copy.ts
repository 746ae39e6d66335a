// SPDX-License-Identifier: Apache-2.0
// POPULATE TOKEN, WRITE USING TOKEN and RECEIVE ROD TOKEN INFORMATION: copies by token, as Windows (ODX) does them.
import {
  COPY_OPERATION_ABORT,
  INSUFFICIENT_RESOURCES_TO_CREATE_ROD_TOKEN,
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_PARAMETER_LIST,
  INVALID_TOKEN_OPERATION_INVALID_TOKEN_LENGTH,
  INVALID_TOKEN_OPERATION_TOKEN_DELETED,
  INVALID_TOKEN_OPERATION_TOKEN_UNKNOWN,
  INVALID_TOKEN_OPERATION_UNSUPPORTED_TOKEN_TYPE,
  PARAMETER_LIST_LENGTH_ERROR,
  POPULATE_TOKEN,
  POPULATE_TOKEN_LIST,
  ROD_TOKEN,
  RodType,
  type SenseCode,
  Status,
  WRITE_USING_TOKEN,
  WRITE_USING_TOKEN_LIST,
} from '@lunkit/spec'
import {
  type Binding,
  fail,
  failParameter,
  type NexusUnit,
  on,
  refuse,
  succeed,
  type Task,
} from '@lunkit/target-api'
import type { Disk } from '../disk.ts'
import { CopyJob } from './copy-job.ts'
import { bytesOf, isSense, moveStep, type Step } from './copy-step.ts'
import { findCscd } from './find-unit.ts'
import { DEFAULT_INACTIVITY, MAX_INACTIVITY } from './limits.ts'
import { LIST_ID_IN_USE, Objection, readCscd } from './parameter-list.ts'
import { longestTokenList, readRanges } from './token-list.ts'
import type { TokenOperation } from './token-operations.ts'
import type { BlockRange, Token } from './tokens.ts'

type TokenCommand = typeof POPULATE_TOKEN | typeof WRITE_USING_TOKEN
type TokenList = typeof POPULATE_TOKEN_LIST | typeof WRITE_USING_TOKEN_LIST

/** The checks that both commands begin with; `perform` may throw Objection. */
const tokenCommand =
  (
    { cdb: { field } }: TokenCommand,
    head: TokenList,
    perform: (task: Task, disk: Disk, list: Buffer, listId: number) => void,
  ) =>
  (task: Task, disk: Disk) => {
    const promised = field.parameterLength.get(task.cdb, 0)
    if (promised === 0) return succeed(task)
    const list = Buffer.concat(task.segments, Math.min(task.received, task.outLength))
    if (promised > longestTokenList(head) || list.length < promised)
      return fail(task, PARAMETER_LIST_LENGTH_ERROR)
    const listId = field.listId.get(task.cdb, 0)
    const same = disk.tokenOperations.find(task.nexus, listId)
    if (same !== null && same.job !== null) return fail(task, LIST_ID_IN_USE)
    try {
      perform(task, disk, list, listId)
    } catch (objection) {
      if (!(objection instanceof Objection)) throw objection
      if (objection.byte < 0) fail(task, objection.code)
      else failParameter(task, objection.code, objection.byte, objection.bit)
    }
  }

function populate(task: Task, disk: Disk, list: Buffer, listId: number): void {
  const ranges = readRanges(list, POPULATE_TOKEN_LIST, disk)
  const { rodTypeValid, rodType, inactivityTimeout } = POPULATE_TOKEN_LIST.read(list)
  if (rodTypeValid === 1 && rodType !== RodType.any && rodType !== RodType.changeVulnerable) {
    throw new Objection(INVALID_TOKEN_OPERATION_UNSUPPORTED_TOKEN_TYPE)
  }
  if (inactivityTimeout > MAX_INACTIVITY) {
    throw new Objection(INVALID_FIELD_IN_PARAMETER_LIST, POPULATE_TOKEN_LIST.field.inactivityTimeout.byte)
  }
  const timeoutMs = 1000 * (inactivityTimeout || DEFAULT_INACTIVITY)
  const token = disk.tokens.make(ranges, timeoutMs, disk.blockSize)
  if (token === null) throw new Objection(INSUFFICIENT_RESOURCES_TO_CREATE_ROD_TOKEN)
  disk.tokenOperations.keep(task.nexus, listId, {
    ...operation(POPULATE_TOKEN.serviceAction, false, token.bytes),
    blocks: token.blocks,
  })
  succeed(task)
}

function operation(action: number, background: boolean, token: Uint8Array | null): TokenOperation {
  return {
    action,
    background,
    token,
    job: null,
    task: null,
    failure: null,
    cancelled: false,
    residual: false,
    blocks: 0,
  }
}

/** Where the data of a token is, or that it is zeros. */
interface Origin {
  readonly at: NexusUnit
  readonly token: Token
}

function writeUsing(task: Task, disk: Disk, list: Buffer, listId: number) {
  const { field } = WRITE_USING_TOKEN_LIST
  const ranges = readRanges(list, WRITE_USING_TOKEN_LIST, disk)
  const origin = originOf(task, field.token.get(list, 0))
  const wanted = ranges.reduce((sum, { blocks }) => sum + blocks, 0) * disk.blockSize
  const offset = field.offset.get(list, 0) * disk.blockSize
  const there = origin === null ? wanted : bytesOf(origin.at, origin.token.blocks) - offset
  if (there < 0 || (there === 0 && wanted > 0))
    throw new Objection(INVALID_FIELD_IN_PARAMETER_LIST, field.offset.byte)
  if (disk.tokenOperations.full) return refuse(task, Status.busy)
  const steps = stepsOf(task.nexusUnit, origin, ranges, offset, Math.min(there, wanted))
  const background = field.immed.get(list, 0) === 1
  const one = operation(WRITE_USING_TOKEN.serviceAction, background, null)
  one.residual = there < wanted
  if (!background) one.task = task
  const deletes = field.deleteToken.get(list, 0) === 1
  const order = {
    at: task.nexusUnit,
    count: steps.length,
    step: (index: number) => steps[index]!(),
    objection: () => origin?.token.objection ?? null,
  }
  origin?.token.use()
  const job = new CopyJob(order, ({ bytes }, failure) => {
    origin?.token.unuse()
    if (deletes && failure === null) origin?.token.end(INVALID_TOKEN_OPERATION_TOKEN_DELETED)
    Object.assign(one, { job: null, task: null, failure, blocks: bytes / disk.blockSize })
    if (background) return
    if (failure === null) succeed(task)
    else fail(task, failure)
  })
  one.job = job
  disk.tokenOperations.keep(task.nexus, listId, one)
  // From here on the job may have ended within the call.
  if (background) succeed(task)
  job.start()
}

/** Throws Objection if the token cannot be used; null is the token of zeros. */
function originOf(task: Task, bytes: Uint8Array): Origin | null {
  const { type, length, creator } = ROD_TOKEN.read(bytes)
  if (length !== ROD_TOKEN.length - 8) throw new Objection(INVALID_TOKEN_OPERATION_INVALID_TOKEN_LENGTH)
  if (type === RodType.blockZero) return null
  if (type !== RodType.changeVulnerable) throw new Objection(INVALID_TOKEN_OPERATION_UNSUPPORTED_TOKEN_TYPE)
  const at = findCscd(task, readCscd(creator, 0))
  // Only disks make tokens.
  const tokens = at === null ? undefined : (at.unit.device as Partial<Disk>).tokens
  if (at === null || tokens === undefined) throw new Objection(INVALID_TOKEN_OPERATION_TOKEN_UNKNOWN)
  const token = tokens.find(bytes)
  if (isSense(token)) throw new Objection(token)
  return { at, token }
}

/** The ranges of both sides laid side by side, `length` bytes from `offset` of the token on. */
function stepsOf(
  destination: NexusUnit,
  origin: Origin | null,
  ranges: readonly BlockRange[],
  offset: number,
  length: number,
): (() => Step | SenseCode)[] {
  const to = cut(placesOf(destination, ranges), 0, length)
  if (origin === null) {
    return to.map(({ at, length: part }) => () => ({ kind: 'zero', destination, to: at, length: part }))
  }
  const source = origin.at
  const from = cut(placesOf(source, origin.token.ranges), offset, length)
  const steps: (() => Step | SenseCode)[] = []
  for (let i = 0, j = 0, done = 0, used = 0; i < to.length && j < from.length; ) {
    const target = to[i]!
    const data = from[j]!
    const part = Math.min(target.length - done, data.length - used)
    const place = { source, destination, from: data.at + used, to: target.at + done, length: part, pad: 0 }
    steps.push(() => moveStep(place))
    done += part
    used += part
    if (done === target.length) {
      i++
      done = 0
    }
    if (used === data.length) {
      j++
      used = 0
    }
  }
  return steps
}

interface Place {
  readonly at: number
  readonly length: number
}

const placesOf = (at: NexusUnit, ranges: readonly BlockRange[]): Place[] =>
  ranges.map(({ lba, blocks }) => ({ at: bytesOf(at, lba), length: bytesOf(at, blocks) }))

/** `length` bytes of the places from `start` on. */
function cut(places: readonly Place[], start: number, length: number): Place[] {
  const found: Place[] = []
  let skip = start
  let left = length
  for (const place of places) {
    if (skip >= place.length) skip -= place.length
    else if (left > 0) {
      const part = Math.min(place.length - skip, left)
      found.push({ at: place.at + skip, length: part })
      left -= part
      skip = 0
    }
  }
  return found
}

function abortOperation(task: Task, disk: Disk) {
  const { listId } = COPY_OPERATION_ABORT.cdb.field
  const found = disk.tokenOperations.find(task.nexus, listId.get(task.cdb, 0))
  if (found === null || found.job === null) return fail(task, INVALID_FIELD_IN_CDB, listId)
  disk.tokenOperations.cancel(found)
  succeed(task)
}

/** A longer list is refused for its length; its rest does not matter. */
const most =
  ({ cdb: { field } }: TokenCommand, head: TokenList) =>
  (task: Task) =>
    Math.min(field.parameterLength.get(task.cdb, 0), longestTokenList(head))

export const tokenCopies: readonly Binding[] = [
  on(POPULATE_TOKEN, tokenCommand(POPULATE_TOKEN, POPULATE_TOKEN_LIST, populate), {
    dataOut: most(POPULATE_TOKEN, POPULATE_TOKEN_LIST),
  }),
  on(WRITE_USING_TOKEN, tokenCommand(WRITE_USING_TOKEN, WRITE_USING_TOKEN_LIST, writeUsing), {
    dataOut: most(WRITE_USING_TOKEN, WRITE_USING_TOKEN_LIST),
  }),
  on(COPY_OPERATION_ABORT, abortOperation),
]
