// SPDX-License-Identifier: Apache-2.0
// GET PERFORMANCE: one rate for the whole disc, and no speeds of writing.
import {
  GET_PERFORMANCE,
  INVALID_FIELD_IN_CDB,
  NOMINAL_PERFORMANCE,
  PERFORMANCE_HEADER,
  PerformanceType,
} from '@lunkit/spec'
import { fail, on, reply, type Task } from '@lunkit/target-api'
import type { Drive } from '../drive.ts'
import { SPEED } from '../mode-pages.ts'

const { dataType, startingAddress, maxDescriptors, type } = GET_PERFORMANCE.cdb.field

/** DATA TYPE: bit 2 WRITE, bits 1 and 0 EXCEPT, of which 00b asks for nominal rates. */
const WRITE = 4
const EXCEPT = 3

export const getPerformance = on(GET_PERFORMANCE, (task: Task, { blocks }: Drive) => {
  const { cdb } = task
  const asked = type.get(cdb, 0)
  const kind = dataType.get(cdb, 0)
  if (asked === PerformanceType.writeSpeed) return reply(task, withHeader(0, []))
  if (asked !== PerformanceType.performance) return fail(task, INVALID_FIELD_IN_CDB, type)
  const firstLba = startingAddress.get(cdb, 0)
  const nominal = (kind & (WRITE | EXCEPT)) === 0 && firstLba < blocks && maxDescriptors.get(cdb, 0) > 0
  const rates = { firstRate: SPEED, lastRate: SPEED }
  reply(
    task,
    withHeader(kind, nominal ? [NOMINAL_PERFORMANCE.write({ firstLba, lastLba: blocks - 1, ...rates })] : []),
  )
})

function withHeader(kind: number, descriptors: readonly Uint8Array[]): Uint8Array {
  const list = Buffer.concat(descriptors)
  const header = PERFORMANCE_HEADER.write({
    length: PERFORMANCE_HEADER.length - 4 + list.length,
    write: (kind & WRITE) === 0 ? 0 : 1,
    except: (kind & EXCEPT) === 0 ? 0 : 1,
  })
  return Buffer.concat([header, list])
}
