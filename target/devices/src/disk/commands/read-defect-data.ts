// SPDX-License-Identifier: Apache-2.0
// READ DEFECT DATA (10) and (12): both lists are known and empty, for the store below hides its bad sectors.
import {
  DEFECT_LIST_10,
  DEFECT_LIST_12,
  INVALID_FIELD_IN_CDB,
  READ_DEFECT_DATA_10,
  READ_DEFECT_DATA_12,
} from '@lunkit/spec'
import { type Binding, fail, on, reply, type Task } from '@lunkit/target-api'

/** SBC-4 address descriptor formats: from here on vendor specific and reserved. */
const LAST_FORMAT = 5

const fields10 = READ_DEFECT_DATA_10.cdb.field
const fields12 = READ_DEFECT_DATA_12.cdb.field

function readDefectData(
  task: Task,
  { plist, glist, defectListFormat, allocation }: typeof fields10 | typeof fields12,
  header: typeof DEFECT_LIST_10 | typeof DEFECT_LIST_12,
) {
  const { cdb } = task
  const format = defectListFormat.get(cdb, 0)
  if (format > LAST_FORMAT) return fail(task, INVALID_FIELD_IN_CDB, defectListFormat)
  const plistValid = plist.get(cdb, 0)
  const glistValid = glist.get(cdb, 0)
  reply(task, header.write({ plistValid, glistValid, format, length: 0 }), allocation.get(cdb, 0))
}

export const defectLists: readonly Binding[] = [
  on(READ_DEFECT_DATA_10, (task: Task) => readDefectData(task, fields10, DEFECT_LIST_10)),
  on(READ_DEFECT_DATA_12, (task: Task) => readDefectData(task, fields12, DEFECT_LIST_12)),
]
