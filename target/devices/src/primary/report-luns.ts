// SPDX-License-Identifier: Apache-2.0
// REPORT LUNS: the units that this initiator sees.
import { encodeLun, INVALID_FIELD_IN_CDB, REPORT_LUNS } from '@lunkit/spec'
import { fail, on, reply, type Task } from '@lunkit/target-api'

const { selectReport, allocation } = REPORT_LUNS.cdb.field

/** SELECT REPORT (SPC-4 REPORT LUNS command); this target has no well known units. */
const Select = { addressable: 0, wellKnown: 1, all: 2 } as const
/** SPC-4 no longer asks for it, but initiators and other targets know SPC-3's smallest allocation length. */
const SHORTEST = 16

export const reportLuns = on(REPORT_LUNS, (task: Task) => {
  const select = selectReport.get(task.cdb, 0)
  if (select > Select.all) return fail(task, INVALID_FIELD_IN_CDB, selectReport)
  const room = allocation.get(task.cdb, 0)
  if (room < SHORTEST) return fail(task, INVALID_FIELD_IN_CDB, allocation)
  const luns = select === Select.wellKnown ? [] : task.nexus.luns()
  const list = Buffer.alloc(8 + 8 * luns.length)
  list.writeUInt32BE(8 * luns.length, 0)
  for (let i = 0; i < luns.length; i++) encodeLun(luns[i]!, list, 8 + 8 * i)
  reply(task, list, room)
})
