// SPDX-License-Identifier: Apache-2.0
// SEEK (6) and (10): the LBA was checked, and there is no arm to move.
import { BLOCK_SEEK_10, SEEK_6 } from '@lunkit/spec'
import { type Binding, on, succeed } from '@lunkit/target-api'

export const seeks: readonly Binding[] = [on(SEEK_6, succeed), on(BLOCK_SEEK_10, succeed)]
