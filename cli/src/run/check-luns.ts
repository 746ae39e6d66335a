// SPDX-License-Identifier: Apache-2.0
// The keys of all LUNs of all targets, looked at before any is opened: the processes of `lunkit run` open theirs side by side.
import { named } from '../target-face/named-error.ts'
import { toSpec } from '../target-face/open-lun.ts'
import { checkLun } from '../target-face/resolve-lun.ts'
import type { Config } from './config-file.ts'

/** Rejects with OperatorError, which says where in the file the LUN stands. */
export async function checkLuns({ targets }: Config): Promise<void> {
  for (const { where, luns } of targets) {
    for (const [at, lun] of luns.entries()) {
      const place = `${where}.luns[${at}]`
      try {
        await checkLun(toSpec(lun, place))
      } catch (error) {
        throw named(`Configuration: ${place}`, error)
      }
    }
  }
}
