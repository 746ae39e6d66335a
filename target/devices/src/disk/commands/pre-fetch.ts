// SPDX-License-Identifier: Apache-2.0
// PRE-FETCH (10) and (16): checked, and left to the store's own read-ahead.
import { PRE_FETCH_10, PRE_FETCH_16 } from '@lunkit/spec'
import { type Binding, on, succeed, type Task } from '@lunkit/target-api'

/** GOOD, not CONDITION MET: nobody promises that the blocks are in a cache now. */
const preFetch = (task: Task): void => succeed(task)

export const preFetches: readonly Binding[] = [on(PRE_FETCH_10, preFetch), on(PRE_FETCH_16, preFetch)]
