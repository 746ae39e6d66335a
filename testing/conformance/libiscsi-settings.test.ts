// SPDX-License-Identifier: Apache-2.0
// libiscsi's iSCSI families in every combination of digests, unsolicited data and bursts; and docs/compliance from it.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { createTarget, memory } from 'lunkit/target'
import { ROOT } from '../../architecture/sources.ts'
import { need } from '../peers.ts'
import { type Outcome, runFamily } from './libiscsi-run.ts'
import { LoginRelay } from './login-relay.ts'

const PAGE = join(ROOT, 'docs/compliance/libiscsi-settings.md')

interface Setting {
  readonly headerDigest: boolean
  readonly dataDigest: boolean
  readonly initialR2T: boolean
  readonly immediateData: boolean
  /** FirstBurstLength and MaxBurstLength, in bytes. */
  readonly burst: number
}

/** One block, two blocks, and the most that can be: 16 MiB less a byte. */
const BURSTS = [512, 1024, 16_777_215] as const
const both = [false, true] as const
const SETTINGS: readonly Setting[] = BURSTS.flatMap(burst =>
  both.flatMap(initialR2T =>
    both.flatMap(immediateData =>
      both.flatMap(headerDigest =>
        both.map(dataDigest => ({ headerDigest, dataDigest, initialR2T, immediateData, burst })),
      ),
    ),
  ),
)

/** All families of the protocol itself; and the one that moves data over two paths, where digests and long bursts are in use. */
const FAMILIES = ['iSCSIcmdsn', 'iSCSIdatasn', 'iSCSIResiduals', 'iSCSITMF', 'MultipathIO'] as const
const runsMultipath = ({ headerDigest, dataDigest, burst }: Setting): boolean =>
  headerDigest && dataDigest && burst > 1024

/** Tests that cannot pass under a setting, for what they assert of themselves: there they must fail with this and no more. */
const EXCEPTIONS: readonly {
  readonly test: string
  readonly when: (setting: Setting) => boolean
  readonly setting: string
  readonly assertion: RegExp
  readonly why: string
}[] = [
  {
    test: 'iSCSIDataSnInvalid',
    when: ({ burst }) => burst === 512,
    setting: 'bursts of 512 bytes',
    assertion: /^1\. test_iscsi_datasn_invalid\.c:\d+ {2}- CU_ASSERT_NOT_EQUAL\(ret,0\)$/,
    why: 'its first step calls two PDUs with DataSN 0 a fault, but each is a burst of its own here, whose count begins at 0',
  },
  {
    test: 'AbortTaskSimpleAsync',
    when: ({ initialR2T, immediateData }) => !initialR2T && !immediateData,
    setting: 'InitialR2T=No ImmediateData=No',
    assertion:
      /^1\. test_async_abort_simple\.c:\d+ {2}- CU_ASSERT_EQUAL\(iscsi_out_queue_length\(sd->iscsi_ctx\),1\)$/,
    why: "it wants one PDU in the library's own queue, where command and unsolicited data are two",
  },
]

const yesNo = (value: boolean): string => (value ? 'Yes' : 'No')
const crc = (value: boolean): string => (value ? 'CRC32C' : 'None')

/** What every login under a setting must have ended with. */
function agreed(setting: Setting): Record<string, string> {
  const irrelevant = setting.initialR2T && !setting.immediateData
  return {
    MaxBurstLength: String(setting.burst),
    FirstBurstLength: irrelevant ? 'Irrelevant' : String(setting.burst),
    InitialR2T: yesNo(setting.initialR2T),
    ImmediateData: yesNo(setting.immediateData),
    HeaderDigest: crc(setting.headerDigest),
    DataDigest: crc(setting.dataDigest),
  }
}

const titleOf = (setting: Setting): string =>
  Object.entries(agreed(setting))
    .map(([key, value]) => `${key}=${value}`)
    .join(' ')

/** Serves a disk under a setting. The URL leads to it through the relay: libiscsi offers 256 KiB at most, and no data digest. */
async function start(setting: Setting) {
  const target = await createTarget({
    luns: [memory('16M')],
    iscsi: {
      MaxBurstLength: setting.burst,
      FirstBurstLength: setting.burst,
      InitialR2T: setting.initialR2T,
      ImmediateData: setting.immediateData,
      HeaderDigest: crc(setting.headerDigest),
    },
  })
  const most = String(BURSTS.at(-1))
  const relay = await LoginRelay.start(Number(/:(\d+)\//.exec(target.url)![1]), {
    keys: { MaxBurstLength: most, FirstBurstLength: most },
    dataDigest: setting.dataDigest,
  })
  return {
    relay,
    url: target.url.replace(/:\d+\//, `:${relay.port}/`),
    stop: async () => {
      await relay.stop()
      await target.close()
    },
  }
}

/** Whether a test did what it must under a setting: pass, or fail by what it wrongly asserts. */
function isRight({ name, text, passed }: Outcome, setting: Setting): boolean {
  const exception = EXCEPTIONS.find(one => one.test === name && one.when(setting))
  if (exception === undefined) return passed
  const failures = text
    .split('\n')
    .map(line => line.trim())
    .filter(line => /^\d+\. /.test(line))
  return text.includes('FAILED') && failures.length === 1 && exception.assertion.test(failures[0]!)
}

/** How many tests passed, by setting. */
const seen = new Map<Setting, number>()

// The suite waits six seconds for an answer that must not come: many can wait side by side.
describe('libiscsi under every setting', { concurrency: 12 }, () => {
  for (const setting of SETTINGS) {
    test(titleOf(setting), async t => {
      if (!need(t, 'iscsi-test-cu')) return
      const { url, relay, stop } = await start(setting)
      try {
        let passed = 0
        for (const family of FAMILIES.filter(one => one !== 'MultipathIO' || runsMultipath(setting))) {
          const { output, outcomes } = await runFamily(`ALL.${family}`, url)
          assert.match(output, /^Tests completed/m)
          assert.ok(outcomes.length > 0, output)
          assert.deepEqual(
            outcomes.filter(one => !isRight(one, setting)),
            [],
            output,
          )
          passed += outcomes.filter(one => one.passed).length
        }
        assert.deepEqual(relay.faults, [])
        assert.ok(relay.logins.length > 0)
        const wanted = agreed(setting)
        for (const login of relay.logins) {
          assert.deepEqual(Object.fromEntries(Object.keys(wanted).map(key => [key, login[key]])), wanted)
        }
        seen.set(setting, passed)
      } finally {
        await stop()
      }
    })
  }
})

test('docs/compliance/libiscsi-settings.md says what was run', t => {
  if (!need(t, 'iscsi-test-cu')) return
  const columns = Object.keys(agreed(SETTINGS[0]!))
  const rows = SETTINGS.map(
    setting => `| ${Object.values(agreed(setting)).join(' | ')} | ${seen.get(setting) ?? 0} |`,
  )
  const exceptions = EXCEPTIONS.map(({ test: name, setting, why }) => `- ${name} with ${setting}: ${why}`)
  const page = `# libiscsi's iSCSI families under every setting

Made by \`testing/conformance/libiscsi-settings.test.ts\`. The families iSCSIcmdsn, iSCSIdatasn, iSCSIResiduals and iSCSITMF (15
tests) run under each setting; MultipathIO (4 tests) where both digests and long bursts are in use. None fails or is skipped but
these, each of which must fail by just that assertion:

${exceptions.join('\n')}

Each login must have ended with the values of its row. InitialR2T, ImmediateData, HeaderDigest and the bursts are the target's
to choose (\`--iscsi KEY=VALUE\`); since libiscsi 1.19 offers no bursts above 256 KiB and no data digest, a relay
(\`testing/conformance/login-relay.ts\`) offers both for it, adds data digests on the way to the target and checks those that come back.

| ${columns.join(' | ')} | Passed |
|${columns.map(() => '---').join('|')}|---|
${rows.join('\n')}
`
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(PAGE, page)
  assert.equal(readFileSync(PAGE, 'utf8'), page, 'run the test with UPDATE_DOCS=1 to write the page anew')
})
