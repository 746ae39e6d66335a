// SPDX-License-Identifier: Apache-2.0
// Persistent reservations told once more, in the plain words of SPC-4 and with other code than the engine's: what it is held against.

/** Nexuses are named by initiator and target port: `a1`. */
export interface Ask {
  readonly verb:
    | 'register'
    | 'ignore'
    | 'reserve'
    | 'release'
    | 'clear'
    | 'preempt'
    | 'preempt and abort'
    | 'move'
  readonly key: number
  readonly newKey: number
  readonly type: number
  readonly aptpl: boolean
  readonly allPorts: boolean
  /** Whom to move to. */
  readonly heir: string
  readonly unregister: boolean
}

const PREEMPTED_REGISTRATION = '2a05'
const PREEMPTED_RESERVATION = '2a03'
const RELEASED = '2a04'

const TYPES = [1, 3, 5, 6, 7, 8]
const readersPass = (type: number): boolean => type === 1 || type === 5 || type === 7
const sharedWithRegistered = (type: number): boolean => type >= 5
const heldByAll = (type: number): boolean => type >= 7

export class ReservationModel {
  /** In order of registration. */
  keys: { who: string; key: number }[] = []
  type = 0
  /** Who reserved, where not all who are registered hold. */
  owner = ''
  aptpl = false
  /** What each nexus is told, since it was asked last. */
  readonly told = new Map<string, string[]>()
  readonly #ports: readonly number[]

  constructor(ports: readonly number[]) {
    this.#ports = ports
  }

  keyOf(who: string): number {
    return this.keys.find(one => one.who === who)?.key ?? 0
  }

  holds(who: string): boolean {
    if (this.type === 0) return false
    return heldByAll(this.type) ? this.keyOf(who) !== 0 : this.owner === who
  }

  mayWrite(who: string): boolean {
    if (this.type === 0 || this.holds(who)) return true
    return sharedWithRegistered(this.type) && this.keyOf(who) !== 0
  }

  mayRead(who: string): boolean {
    return this.mayWrite(who) || readersPass(this.type)
  }

  powerLoss(): void {
    this.told.clear()
    if (this.aptpl) return
    this.keys = []
    this.#unreserve()
  }

  /** Carries it out and gives the answer's word. */
  ask(who: string, ask: Ask): string {
    if (ask.verb === 'register' || ask.verb === 'ignore') return this.#register(who, ask)
    if (this.keyOf(who) === 0 || this.keyOf(who) !== ask.key) return 'conflict'
    switch (ask.verb) {
      case 'reserve':
        return this.#reserve(who, ask.type)
      case 'release':
        return this.#release(who, ask.type)
      case 'clear':
        for (const one of this.keys) if (one.who !== who) this.#tell(one.who, PREEMPTED_RESERVATION)
        this.keys = []
        this.#unreserve()
        return 'good'
      case 'move':
        return this.#move(who, ask)
      default:
        return this.#preempt(who, ask)
    }
  }

  #unreserve(): void {
    this.type = 0
    this.owner = ''
  }

  #tell(who: string, what: string): void {
    const list = this.told.get(who) ?? []
    if (!list.includes(what)) list.push(what)
    this.told.set(who, list)
  }

  #register(who: string, { verb, key, newKey, aptpl, allPorts }: Ask): string {
    if (verb === 'register' && key !== this.keyOf(who)) return 'conflict'
    if (newKey === 0 && this.keyOf(who) === 0) return 'good'
    const nexuses = allPorts ? this.#ports.map(port => `${who[0]}${port}`) : [who]
    this.aptpl = aptpl
    if (newKey === 0) {
      const type = this.type
      for (const nexus of nexuses) this.#forget(nexus)
      const ended = type !== 0 && this.type === 0
      if (ended && sharedWithRegistered(type)) {
        for (const one of this.keys) if (one.who !== who) this.#tell(one.who, RELEASED)
      }
      return 'good'
    }
    for (const nexus of nexuses) {
      const known = this.keys.find(one => one.who === nexus)
      if (known === undefined) this.keys.push({ who: nexus, key: newKey })
      else known.key = newKey
    }
    return 'good'
  }

  /** A registration ends; with it the reservation of a holder, or of the last of all holders. */
  #forget(who: string): void {
    if (this.owner === who) this.#unreserve()
    this.keys = this.keys.filter(one => one.who !== who)
    if (heldByAll(this.type) && this.keys.length === 0) this.#unreserve()
  }

  #reserve(who: string, type: number): string {
    if (!TYPES.includes(type)) return '05/2400'
    if (this.type !== 0) return this.holds(who) && this.type === type ? 'good' : 'conflict'
    this.type = type
    this.owner = heldByAll(type) ? '' : who
    return 'good'
  }

  #release(who: string, type: number): string {
    if (!this.holds(who)) return 'good'
    if (type !== this.type) return '05/2604'
    if (sharedWithRegistered(type)) {
      for (const one of this.keys) if (one.who !== who) this.#tell(one.who, RELEASED)
    }
    this.#unreserve()
    return 'good'
  }

  #preempt(who: string, { newKey, type }: Ask): string {
    const everybody = heldByAll(this.type)
    if (newKey === 0 && !everybody) return '05/2600'
    const takesOver =
      newKey === 0 ? everybody : this.type !== 0 && !everybody && this.keyOf(this.owner) === newKey
    const gone = this.keys.filter(one => newKey === 0 || one.key === newKey).map(one => one.who)
    if (!takesOver) {
      if (gone.length === 0) return 'conflict'
      for (const one of gone) {
        if (one !== who) this.#tell(one, PREEMPTED_REGISTRATION)
        this.#forget(one)
      }
      return 'good'
    }
    if (!TYPES.includes(type)) return '05/2400'
    const before = this.type
    for (const one of gone) {
      if (one === who) continue
      this.#tell(one, PREEMPTED_REGISTRATION)
      this.keys = this.keys.filter(other => other.who !== one)
    }
    this.type = type
    this.owner = heldByAll(type) ? '' : who
    if (type !== before) {
      for (const one of this.keys) if (one.who !== who) this.#tell(one.who, RELEASED)
    }
    return 'good'
  }

  #move(who: string, { newKey, heir, unregister, aptpl }: Ask): string {
    if (this.type === 0) return '05/2400'
    if (heldByAll(this.type) || this.owner !== who) return 'conflict'
    if (newKey === 0 || heir === who) return '05/2600'
    const known = this.keys.find(one => one.who === heir)
    if (known === undefined) this.keys.push({ who: heir, key: newKey })
    else known.key = newKey
    this.owner = heir
    if (unregister) this.keys = this.keys.filter(one => one.who !== who)
    this.aptpl = aptpl
    return 'good'
  }
}
