// SPDX-License-Identifier: Apache-2.0
// The serial port over which a guest's script writes its output, asks the host for things and says its status.
import type { Duplex } from 'node:stream'
import type { Relay } from './relay.ts'

/** Who answers the script: see `GuestRun`. */
export type ScriptHost = {
  relay?: Relay
  on?: Readonly<Record<string, () => void | Promise<void>>>
  onOutput?: (text: string) => void
}

/** The serial port of the script: its output, and between it lines with a mark that ask for something. */
export class ScriptChannel {
  output = ''
  status: number | undefined
  onExit = () => {}
  #pending = ''
  readonly #stream: Duplex
  readonly #mark: string
  readonly #run: ScriptHost

  constructor(stream: Duplex, mark: string, run: ScriptHost) {
    this.#stream = stream
    this.#mark = mark
    this.#run = run
    stream.setEncoding('utf8').on('data', data => this.#read(data))
    stream.on('error', () => {})
  }

  #read(data: string): void {
    const lines = (this.#pending + data).split('\n')
    this.#pending = lines.pop()!
    for (const line of lines) {
      const at = line.indexOf(this.#mark)
      this.#write(at < 0 ? `${line}\n` : line.slice(0, at))
      if (at >= 0) this.#request(line.slice(at + this.#mark.length))
    }
  }

  #write(text: string): void {
    this.output += text
    if (text !== '') this.#run.onOutput?.(text)
  }

  #request(line: string): void {
    const [what, word] = line.split(' ')
    if (what === 'host') void this.#answer(word ?? '')
    if (what !== 'exit') return
    this.status = Number(word)
    this.onExit()
  }

  async #answer(event: string): Promise<void> {
    const { relay, on } = this.#run
    const relayed = {
      cut: () => relay?.cut(),
      hold: () => relay?.hold(),
      release: () => relay?.release(),
      strand: () => relay?.strand(),
    }
    const action = on?.[event] ?? (relay && relayed[event as keyof typeof relayed])
    let status = 0
    try {
      if (action === undefined) throw new Error(`nothing is set for it`)
      await action()
    } catch (error) {
      status = 1
      this.#write(`host ${event}: ${(error as Error).message}\n`)
    }
    this.#stream.write(`${status}\n`)
  }
}
