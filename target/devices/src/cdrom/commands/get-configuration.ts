// SPDX-License-Identifier: Apache-2.0
// GET CONFIGURATION: the current profile and the rows of the feature table that are asked for.
import {
  FEATURE_DESCRIPTOR,
  FEATURE_HEADER,
  GET_CONFIGURATION,
  INVALID_FIELD_IN_CDB,
  RequestedType,
} from '@lunkit/spec'
import { fail, on, reply, type Task } from '@lunkit/target-api'
import type { Drive } from '../drive.ts'
import { FEATURES, type FeatureRow, profileOf } from '../features.ts'

const { requestedType, startingFeature, allocation } = GET_CONFIGURATION.cdb.field

export const getConfiguration = on(GET_CONFIGURATION, (task: Task, drive: Drive) => {
  const { cdb } = task
  const type = requestedType.get(cdb, 0)
  const from = startingFeature.get(cdb, 0)
  if (type > RequestedType.one) return fail(task, INVALID_FIELD_IN_CDB, requestedType)
  const currentProfile = profileOf(drive)
  const rows = FEATURES.filter(row => {
    if (type === RequestedType.one) return row.feature === from
    return row.feature >= from && (type === RequestedType.all || row.current(currentProfile))
  })
  const list = Buffer.concat(rows.map(row => describe(row, drive, currentProfile)))
  // DATA LENGTH counts from behind itself.
  const dataLength = FEATURE_HEADER.length - 4 + list.length
  const header = FEATURE_HEADER.write({ dataLength, currentProfile })
  reply(task, Buffer.concat([header, list]), allocation.get(cdb, 0))
})

function describe(
  { feature, version, persistent, current, data }: FeatureRow,
  drive: Drive,
  profile: number,
) {
  const bytes = data(drive)
  const head = FEATURE_DESCRIPTOR.write({
    feature,
    version,
    persistent: persistent ? 1 : 0,
    current: current(profile) ? 1 : 0,
    additionalLength: bytes.length,
  })
  return Buffer.concat([head, bytes])
}
