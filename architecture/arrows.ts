// SPDX-License-Identifier: Apache-2.0
// Who may import whom: one row a part, read by arrows.test.ts. Nobody imports testing or architecture.

export interface Part {
  /** Folder, and package name as others import it. */
  readonly folder: string
  readonly name: string
  /** Packages of this tree that it may import. */
  readonly may: readonly string[]
  /** Whether it may use node: modules, and which packages from outside. */
  readonly node: boolean
  readonly outside: readonly string[]
}

const SPEC = '@lunkit/spec'
const API = '@lunkit/target-api'

export const ARROWS: readonly Part[] = [
  { folder: 'spec', name: SPEC, may: [], node: false, outside: [] },
  { folder: 'target/api', name: API, may: [SPEC], node: false, outside: [] },
  { folder: 'target/engine', name: '@lunkit/target-engine', may: [SPEC, API], node: true, outside: [] },
  { folder: 'target/devices', name: '@lunkit/target-devices', may: [SPEC, API], node: true, outside: [] },
  {
    folder: 'target/stores',
    name: '@lunkit/target-stores',
    may: [SPEC, API],
    node: true,
    outside: ['koffi'],
  },
  {
    folder: 'target/passthrough',
    name: '@lunkit/target-passthrough',
    // What belongs to a nexus is answered as by every other device.
    may: [SPEC, API, '@lunkit/target-devices'],
    node: true,
    outside: ['koffi'],
  },
  {
    folder: 'target/user',
    name: '@lunkit/target-user',
    may: [SPEC, API, '@lunkit/target-devices'],
    node: true,
    outside: [],
  },
  { folder: 'target/state', name: '@lunkit/target-state', may: [SPEC, API], node: true, outside: [] },
  {
    folder: 'target/drivers/iscsi',
    name: '@lunkit/target-driver-iscsi',
    may: [SPEC, API],
    node: true,
    outside: [],
  },
  {
    folder: 'target/drivers/local',
    name: '@lunkit/target-driver-local',
    may: [SPEC, API],
    node: true,
    outside: [],
  },
  { folder: 'initiator/core', name: '@lunkit/initiator-core', may: [SPEC], node: true, outside: [] },
  {
    folder: 'initiator/drivers/iscsi',
    name: '@lunkit/initiator-driver-iscsi',
    may: [SPEC, '@lunkit/initiator-core'],
    node: true,
    outside: [],
  },
  {
    folder: 'cli',
    name: 'lunkit',
    may: [
      SPEC,
      API,
      '@lunkit/target-engine',
      '@lunkit/target-devices',
      '@lunkit/target-stores',
      '@lunkit/target-state',
      '@lunkit/target-passthrough',
      '@lunkit/target-user',
      '@lunkit/target-driver-iscsi',
      '@lunkit/target-driver-local',
      '@lunkit/initiator-core',
      '@lunkit/initiator-driver-iscsi',
    ],
    node: true,
    outside: ['commander', 'cli-progress', 'console-table-printer', 'yaml'],
  },
]
