# docs/powerpc-fragments.md, of the lab's results (build/results/fragments.json). $tables: what table.jq makes of them; $kernel: the release;
# $merged, $mended: what gdb.sh has said of these two, if it was run.
include "stats";

# The runs of one workload, those whose name begins so.
def runs($setting; $workload; $variant): [.measured[] | select(.setting == $setting and .variant == $variant and (.workload | startswith($workload)))];
def counter($setting; $workload; $variant; $name): runs($setting; $workload; $variant) | map(.counters[$name]) | median // "-";
# Of what is a maximum in each run, that of all.
def most($setting; $workload; $variant; $name): runs($setting; $workload; $variant) | map(.counters[$name]) | max // "-";
def ms: if type == "number" then . / 1000 | round else . end;
def range_of(f): map(f) | if length == 0 then "-" else "\(median) (\(min)-\(max))" end;
def times($setting; $workload; $variant): runs($setting; $workload; $variant) | range_of(.ms);
def seen($part): "| variant | where | seen | what was counted |\n|---|---|---|---|\n" + ([.judged[] | select(.part == $part) | "| \(.variant) | \(.setting) | \(.seen) | \(.how) |"] | join("\n"));
def words: gsub(","; " ");
def indented: rtrimstr("\n") | gsub("\n{3,}"; "\n\n") | split("\n") | map(if . == "" then . else "    " + . end) | join("\n");

# One line for each workload: the two ways side by side, and the one that mmu_gather was taught.
def cost($setting): . as $all | ([.measured[] | select(.setting == $setting)] | map(.workload) | distinct)
	| map(. as $w | $all | "| \($w | words) | \(times($setting; $w; "merged")) | \(times($setting; $w; "always-rcu")) | \(times($setting; $w; "always-rcu-taught")) | "
		+ (["merged", "always-rcu", "always-rcu-taught"] | map(. as $v | $all | "\(counter($setting; $w; $v; "rcu_queued")) / \(counter($setting; $w; $v; "rcu_twice"))") | join(" | ")) + " | "
		+ (["always-rcu", "always-rcu-taught"] | map(. as $v | $all | "\(most($setting; $w; $v; "waiting_peak"))") | join(" | ")) + " |") | join("\n");
# The greatest of a counter in all runs of the variants whose name begins so.
def most_of_all($variant; $name): [.measured[] | select(.variant | startswith($variant)) | .counters[$name]] | max // "-";

# Each variant's runs (a value of each) beside $base's, workload by workload.
def comparisons($base; pick; value): [.measured | map(select(pick)) | group_by([.setting, .workload])[] | . as $all
	| ($all | map(select(.variant == $base) | value)) as $its
	| ([$all[].variant] | unique - [$base])[] as $variant | ($all | map(select(.variant == $variant) | value)) as $mine
	| select(($its | length) > 0 and ($mine | length) > 0)
	| { $base, $variant, setting: $all[0].setting, what: "\($all[0].workload | words) (\($all[0].setting))", percent: more($mine; $its), ratio: (($mine | median) / ($its | median)),
		apart: apart($mine; $its), mine: ($mine | median), its: ($its | median) }];
# Run times: without the mix, whose time is given, and without injection, where one waits for grace periods in place.
def run_times($base): comparisons($base; .workload | startswith("mix") or startswith("inject") | not; .ms);
def mean: map(.ratio) | mean_more | percent;
# How many of $n comparisons of $runs runs that do not differ are apart all the same, on average.
def by_chance($n; $runs): reduce range(1; $runs + 1) as $i (2 * $n; . * $i / ($runs + $i)) | . * 10 | round / 10;
# A mend does its base's work but where a page would have been freed too early.
def same_work: IN([.[0].base, .[0].variant]; ["merged", "merged-fixed"], ["always-rcu", "always-rcu-fixed"]);
# A line for each variant: how its times stand to its base's in each setting, and in all.
def in_all($settings): group_by([.base, .variant])[] | . as $rows
	| "| \(.[0].variant) beside \(.[0].base)\(if same_work then ", the same work" else "" end) | \($settings | map(. as $s | [$rows[] | select(.setting == $s)] | mean) | join(" | ")) | \(mean)"
		+ " | \(map(select(.ratio > 1)) | length) of \(length) | \(map(select(.apart)) | if length == 0 then "none" else map("\(.what): \(.percent | percent)") | join("; ") end) |";
# From the least to the greatest mean of a setting.
def span: group_by([.base, .variant, .setting]) | map(map(.ratio) | mean_more) | "\(min | percent) to \(max | percent)";

# What a peak of page tables can be off by, in KiB: a CPU keeps so many pages to itself (calculate_normal_threshold() of mm/vmstat.c, 2 GiB).
def held_back: split("/") as $s | { "1": 10, "2": 40, "4": 120 }[$s[1]] * (if $s[0] | endswith("4k") then 4 else 64 end);
# Where the peaks of two are further from each other than noise and than that.
def peaks($base; $variant): comparisons($base; .workload | startswith("mix") | not; .peak_kb)
	| map(select(.variant == $variant and .apart and (.mine - .its | fabs) > (.setting | held_back))) | if length == 0 then "nowhere" else map("\(.what): \(.its | round) and \(.mine | round) KiB") | join("; ") end;

# The races: those of this run and of earlier ones that these results were in.
def races: "| variant | where | seen | what was counted | in earlier runs |\n|---|---|---|---|---|\n" + (. as $lab | [.judged[] | select(.part == "race") | . as $row
	| "| \(.variant) | \(.setting) | \(.seen) | \(.how) | \([$lab.earlier[]? | select(.part == "race" and .variant == $row.variant)] | if length == 0 then "-" else map("\(.seen) \(.how | split(": ")[0])") | join("; ") end) |"] | join("\n"));

# When it was measured, and what was done again later.
def when: ([.judged[] | select(.part == "measure").date][0] // .date) as $measured
	| $measured + ([.judged[] | select(.date != $measured)] | group_by(.date) | map("; \(map(.part) | unique | join(" and ")) again on \(.[0].date)") | join(""));

. as $lab | ([.measured[].setting] | distinct) as $settings
| ((run_times("merged") | map(select(.variant != "always-rcu-fixed"))) + (run_times("always-rcu") | map(select(.variant == "always-rcu-fixed")))) as $compared
| ($compared | map(select(.variant == "always-rcu"))) as $proposal | ($compared | map(select(.variant == "always-rcu-taught"))) as $taught
| ($compared | map(select(.variant | endswith("-fixed")))) as $controls
| (comparisons("merged"; .workload | startswith("inject"); .ms) | map(select(.variant == "always-rcu" and .apart))) as $alone
| "# powerpc's page table fragments: the proposal, the merged code, and what neither covers

Written by `make arch A=ppc64 LAB=fragments` on \(when): \(.qemu), \(.runs) runs of each variant in turn, each begun with another one. The text is
`tests/arch/fragments/document.jq`; all figures are of those runs. The CPU is emulated: compare variants with each other,
not with real hardware. Linux \($kernel), big-endian, with HZ=250, PREEMPT_LAZY without PREEMPT_RCU, simple spinlocks.

Jason, Hugh: both ways built and measured, and a use-after-free that is in both.

A PTE table is 4 KiB with the hash MMU and 64 KiB pages, 256 bytes with radix: a fragment of a page, which others share. The proposal
(linux-mm, June 2023, \"[PATCH v2 05/12] powerpc: add pte_free_defer() for pgtables sharing page\") has RCU free such a page whenever its last fragment is dropped. What was merged keeps of it that this is
where RCU comes in, and has a flag say whether it must:

| variant | `pte_free_defer()` | the page, when its last fragment goes | `uml/patches/fragments/` |
|---|---|---|---|
| merged | sets the page's Active flag, frees the fragment | by `call_rcu()` if Active is set, else at once | none: the source as it is, 32cc0b7c9d50 and fda4d71651f7 |
| always-rcu | frees the fragment | by `call_rcu()`, always | always-rcu.patch |
| merged-fixed, always-rcu-fixed | | the same, in `pte_frag_destroy()`, too | merged-fixed.patch, always-rcu-fixed.patch |
| always-rcu-taught | | the same, and mmu_gather does not wait before | one-table.patch, batch.patch |

always-rcu differs from the posted diff in one thing: a page of the kernel's own tables has its destructor run, as in the merged code.

## In short

- **A hole punched into a file, while MADV_COLLAPSE or khugepaged takes the tables of a process that maps it and that process exits, can take a lock in a freed page**, since
  32cc0b7c9d50: `pte_frag_destroy()` does not wait for walkers. The proposal as posted has the same hole. Reproduced without a change of a source
  file; mended by merged-fixed.patch in the one, for upstream, and by always-rcu-fixed.patch in the other.
- With the proposal every page that munmap frees waits for two grace periods (\(counter("hash/2"; "munmap,1,"; "always-rcu"; "rcu_twice")) of \(counter("hash/2"; "munmap,1,"; "always-rcu"; "pages_freed")) below), and all that one munmap frees waits at a time: \(most("hash/2"; "munmap,1,"; "always-rcu"; "waiting_peak")) pages
  for \(runs("hash/2"; "munmap,1,"; "always-rcu") | map(.workload | split(",")[3])[0] // "-") tables of 16 to a page, \(most("hash4k/2"; "munmap,1,"; "always-rcu"; "waiting_peak")) where each table is a page. The most in any workload: \(most_of_all("always-rcu"; "waiting_peak")).
- Run times do not tell the two apart: always-rcu beside merged \($proposal | mean) (geometric mean of \($proposal | length) comparisons, longer in \($proposal | map(select(.ratio > 1)) | length)), by setting \($proposal | span). Variants that do the
  same work differ by \($controls | span) in a setting: smaller differences mean nothing. With one CPU, where no such pair was measured, always-rcu has \($proposal | map(select(.setting | endswith("/1"))) | "\(mean), longer in \(map(select(.ratio > 1)) | length) of \(length)"). \(if ($alone | length) == 0 then "" else "A difference beyond noise: where mmu_gather finds no page for a batch and each table is a page, \($alone | map("\(.percent | percent) (\(.setting))") | join(", ")) (\"Beside it\")." end)
- mmu_gather can be taught to leave the wait to the page (always-rcu-taught): no page waits twice then. In run time that buys nothing that could be measured (\($taught | mean) over \($taught | length) comparisons, by setting \($taught | span)),
  but where mmu_gather has no page for a batch: \(times("hash/2"; "inject"; "always-rcu-taught")) ms in place of \(times("hash/2"; "inject"; "merged")).
- PT_RECLAIM could be on for PTE tables, over either of the two once it is mended. It would give back less than it seems: tables that stay hold their page.

## The proposal, sentence by sentence

All figures of this section: hash MMU, 64 KiB pages, 2 CPUs; median and range.

> I was saying to make pte_fragment_free() unconditionally do the RCU. It is the only thing that uses the page->rcu_head

Still so. `struct ptdesc` has `pt_rcu_head` at 8..23 and `pt_frag_refcount` behind it, at 32; the lock is at 40; nothing of these overlaps. What
the diff's comment says of `lru` holds for what is there today, `pt_list`: nobody uses it for a page of fragments. The patch takes eleven lines away and adds six.

> and it means PPC would double RCU the final free on the TLB path

It does: of \(counter("hash/2"; "munmap,1,"; "always-rcu"; "rcu_queued")) pages that the munmap of one process gave to `call_rcu()`, \(counter("hash/2"; "munmap,1,"; "always-rcu"; "rcu_twice")) had
waited for a grace period in mmu_gather before; merged gave \(counter("hash/2"; "munmap,1,"; "merged"; "rcu_queued")) of \(counter("hash/2"; "munmap,1,"; "merged"; "pages_freed")) to it. One callback a page, where mmu_gather has one a batch.

> but that is probably OK for now

In run time, yes, as far as this can tell (below); what waits, in memory: \"RCU / twice\": pages given to `call_rcu()` / of these, those that had waited in a batch of mmu_gather's before:

| workload | merged, ms | always-rcu, ms | taught, ms | RCU / twice, merged | always-rcu | taught | pages waiting, most, always-rcu | taught |
|---|---|---|---|---|---|---|---|---|
\(cost("hash/2"))

A page waits \(counter("hash/2"; "munmap,1,"; "always-rcu"; "wait_us_avg") | ms) ms on average for the grace period of its own in the munmap of one process, \(most_of_all("always-rcu"; "wait_us_max") | ms) ms at most in any workload. That clock starts when the page's last fragment
is dropped: with always-rcu mmu_gather's grace period is over by then and not in these figures, with taught there is none before. Nor is what waits in
mmu_gather's batches among the \"pages waiting\": merged has the same tables waiting there, once.

Page tables' peaks are /proc/vmstat's, which each CPU may hold back some pages of: \(["hash/1", "hash/2", "hash/4"] | map(held_back / 1024 * 10 | round / 10) | "\(.[0]), \(.[1]) or \(.[2])") MiB in all with 1, 2 and 4 CPUs and 64 KiB pages. Beyond that, and with no run of the one within the range of the other, always-rcu
differs from merged here: \(peaks("merged"; "always-rcu")).

Run times, each variant beside the one it changes; the geometric mean of the medians in each setting (MMU/CPUs):

| | \($settings | join(" | ")) | all | longer in | apart |
|---|\($settings | map("---|") | join(""))---|---|---|
\([$compared | in_all($settings)] | join("\n"))

\"Apart\": no run of the one within the range of the other; of \($compared | length) comparisons of \(.runs) runs, chance alone sets \(by_chance($compared | length; .runs)) apart. The mended variants and always-rcu-taught are measured with 2 CPUs, for time's sake. `inject` has
a paragraph of its own below. The mix ends by the clock; what it does until then is no measure (merged alone, hash, 2 CPUs: \(runs("hash/2"; "mix"; "merged") | range_of(.counters.fragments_freed)) fragments freed).

> This means pte_free_defer() won't do anything special on PPC as PPC will always RCU free these things, this address the defer concern too, I think.

For `pte_fragment_free()`, yes. Not for `pte_frag_destroy()`: see the next section.

> Overall it is easier to reason about.

Easier, but incomplete: as posted it left `pte_frag_destroy()` alone, and so did what was merged instead.

> I looked at fixing the TLB stuff to avoid the double rcu but quickly got scared that ppc was using a kmem_cache to allocate other
> page table sizes so there is not a reliable struct page to get a rcu_head from. This looks like the main challenge for ppc...

Still so for PUD tables (`kmem_cache_alloc(PGT_CACHE(...))`); PMD tables that a walker may have seen are fragments of a page of their own kind, freed at once by mmu_gather's callback. It is a challenge
for who wants an rcu_head of each table. What `v3` of the PT_RECLAIM series warned of on munmap is another thing, an rcu_head in the table itself, at
an address that the level's index has misaligned: [why-v4.md](why-v4.md).

> We'd have to teach the tlb code to not do its own RCU stuff for table levels that the arch is already RCU freeing

Done, in two small patches, since the index in a pointer's low bits tells its level. one-table.patch: no grace period in place where mmu_gather has no page
for a batch. batch.patch: what waits by itself is freed once the TLB is flushed (with hash no hardware walks these tables; radix is flushed
before), the batch's grace period is for the rest. A freed fragment is never reused, so a walker sees stale but valid memory until the page's own grace period ends. Above:
always-rcu-taught, \(counter("hash/2"; "munmap,1,"; "always-rcu-taught"; "rcu_twice")) of \(counter("hash/2"; "munmap,1,"; "always-rcu-taught"; "rcu_queued")) pages twice in the munmap of one process, and it waits
\(counter("hash/2"; "munmap,1,"; "always-rcu-taught"; "wait_us_avg") | ms) ms. One callback a page remains, one a batch is gone where a batch has PTE tables only.

> and that won't get us to full RCU freeing on PPC.

No. See \"Could PT_RECLAIM be on?\".

## A use-after-free that both ways leave

`pte_frag_destroy()` gives up what an mm that ends has left of its last page: the fragments that were never handed out. If those that
were are all freed, it is the one that frees the page, and it does so at once, though `pte_free_defer()` may have been given one of them
a moment ago. `exit_mmap()` calls it (`arch_exit_mmap()`, `destroy_pagetable_cache()`) before the VMAs leave their file's `i_mmap`:

    CPU 0: fallocate(PUNCH_HOLE)        CPU 1: MADV_COLLAPSE (anybody's), then the victim's exit

    unmap_mapping_range()
      i_mmap_lock_read()
      pte_offset_map_lock()
        rcu_read_lock()
        pmd = pmdp_get_lockless()
                                        retract_page_tables()
                                          pmdp_collapse_flush()
                                          pte_free_defer()
                                        exit_mmap()
                                          arch_exit_mmap()
                                            pte_frag_destroy()
                                              pagetable_free()
        spin_lock(pte_lockptr(pmd))  <- in the ptdesc of that page

`hash__pmdp_collapse_flush()` sends an IPI to the CPUs in the victim's `mm_cpumask()` only (`serialize_against_pte_lookup()`); the hole puncher runs in another mm, under `rcu_read_lock()` with interrupts enabled.
radix sends none. `pmd_frag_destroy()`, called beside it, is safe by reading: a PMD table that was ever visible to walkers is
freed by mmu_gather, and holds its reference until its grace period is over. fda4d71651f7 (\"Fix bad page state in pte_frag_destroy\") saw the
flag that is left set there, and clears it, on the ground that the mm is exiting: the walker is somebody else's.

How many pages `pte_frag_destroy()` frees too early is in the counters: of the pages freed in `collapse` (hash, 2 CPUs) merged gave
\(counter("hash/2"; "collapse,"; "merged"; "rcu_queued")) of \(counter("hash/2"; "collapse,"; "merged"; "pages_freed")) to RCU, merged-fixed \(counter("hash/2"; "collapse,"; "merged-fixed"; "rcu_queued")) of \(counter("hash/2"; "collapse,"; "merged-fixed"; "pages_freed")).

Held in the window (window.patch: a reader that calls itself \"window\" stays between the PMD and the lock until the mm has ended):

\(seen("window"))

Without a change of a source file, with PREEMPT and DEBUG_SPINLOCK (`tests/arch/ppc64/race.config`): processes that punch holes
run where nobody else wants the CPU, so that whoever wakes up there stops them anywhere, in the window, too; four others have tables for
the same files, lose them to MADV_COLLAPSE, and end. All are on one CPU of four of the guest, CPUs keep few pages to themselves
(vm.percpu_pagelist_high_fraction=1000000), and qemu is pinned to one CPU of the host:

\(races)

One run of merged-fixed, on 2026-11-23, ended neither way: after its 600 s it stood still, with nothing on its console. These kernels had no watch for hung tasks then and
the workload none for its own end; they have both since, and it has not come back. A boot of always-rcu (window.patch, radix) stood still as well, that day, with nothing on its
console after the start of /init. The cause of either is not known.

With DEBUG_SPINLOCK the lock is an object that the ptdesc points to, and the pointer is gone with the page. Without it the lock is a word in what is `page->private` of a free page: cleared when the page is freed,
then the order of a free block if the page heads one, in the half that a big-endian kernel like these does not take for the lock (a little-endian one does, and would spin). Here the reader mostly takes a lock that
nobody has, writes to a page that is no table, sees that the PMD has changed and lets go; it shows only where that page is somebody else's meanwhile. Queued spinlocks, the default of Book3S 64, were not tried.

In gdb, without a change to the kernel either: `make arch A=ppc64 LAB=fragments GDB=1` (P=merged-fixed for the mended one) stops the reader in the
window, lets the other CPU run alone until it is back from `pte_frag_destroy()`, and shows the ptdesc before and after.\(if $merged == "" then "" else " merged:\n\n" + ($merged | indented) end)\(if $mended == "" then "" else "\n\nmerged-fixed, from `pte_frag_destroy()` on:\n\n" + ($mended | split("\n") | .[(map(startswith("CPU 0, exit_mmap")) | index(true)) // 0:] | join("\n") | indented) end)

The mend asks the Active flag in `pte_frag_destroy()` as `pte_fragment_free()` does (merged-fixed.patch, ready for upstream: `tests/host/patches.sh`), or always
lets RCU free the page (always-rcu-fixed.patch). All workloads and the window in a kernel with PROVE_RCU, PAGE_POISONING, DEBUG_OBJECTS_RCU_HEAD,
PAGE_TABLE_CHECK and MEMCG:

\(seen("checks"))

(lockdep turns itself off while ppc64 boots, and with it PROVE_RCU: `DEBUG_LOCKS_WARN_ON(lockdep_hardirq_context())`. lockdep.patch silences that one check.)

## Beside it

- **The fallback for one table**, when mmu_gather finds no page for its batch (`inject`, \(counter("hash/2"; "inject"; "merged"; "alone")) tables in a boot of merged, \(counter("hash/2"; "inject"; "always-rcu"; "alone")) of always-rcu): each waits for a
  grace period of its own in place (`tlb_remove_table_sync_rcu()`), and with always-rcu its page for one more. \(times("hash/2"; "inject"; "merged")) ms with merged, \(times("hash/2"; "inject"; "always-rcu")) with always-rcu,
  \(times("hash/2"; "inject"; "always-rcu-taught")) where PTE tables are freed without that wait; with 4 KiB pages, where each table is a page, \(times("hash4k/2"; "inject"; "merged")), \(times("hash4k/2"; "inject"; "always-rcu")) and \(times("hash4k/2"; "inject"; "always-rcu-taught")):
  a page's callback keeps a grace period under way, and the next table's wait has to outlast it before its own begins. The use-after-free is not here: a fragment holds its reference until its wait is over.
- **khugepaged in place of MADV_COLLAPSE, and a memory control group of its own**: both come to `pte_free_defer()` by the same `retract_page_tables()`, so merged and always-rcu
  have the bug there as well; both are among the workloads of the checked kernels above. Page tables are uncharged when their page is freed, by RCU or not (\"of the kernel\" there is other kernel memory).
- **The kernel's own tables** are fragments of pages of their own (`init_mm.context.pte_frag`), for which nobody calls `pte_frag_destroy()`: the
  use-after-free cannot happen to them. `pte_fragment_free()` frees theirs at once in merged (`kernel` is 1 there, whatever Active says); always-rcu
  has them wait as well, as the posted diff has (`pgtable_free_cb_kernel()`), which costs a callback a page. With hash they are freed only where two populate the same entry and one
  loses; with radix also where memory is taken out (not tried) and where a huge mapping takes the place of small ones: here those of vmalloc's own
  test (`lib/test_vmalloc.c`) while the kernel boots, with page poisoning, and with 4 KiB pages, as it takes 256 tables to give back one of 64 KiB:

\(seen("kernel"))

(The few pages more than tables are those of the processes.)

## Could PT_RECLAIM be on?

For PTE tables, which is all that it frees: three things stand against it, of which two are powerpc's.

1. The fallback `__tlb_remove_table_one()` of PT_RECLAIM takes a ptdesc for granted to have an rcu_head. pt-reclaim.patch keeps the fallback of today, which waits in place.
2. The hash MMU. `zap_pte_range()` takes an emptied table away within lazy MMU mode, in which powerpc puts the invalidation of
   hash table entries off, up to 192 of them, and counts on the table's lock to keep others out: with the PMD cleared another CPU can have a new table and a new lock, and
   insert a second entry for the same address. qemu takes the first of two and goes on; hardware may report a multihit (`mce_power.c`).
3. The delayed rmaps, of every SMP architecture with PT_RECLAIM: [uml-bugs.md](uml-bugs.md). Its fix, `uml/patches/fixes/0009`, ends lazy MMU mode and flushes before a table is taken away, and so covers 2 as well.

That the emptied PMD may then get a huge page, with no IPI in between (`serialize_against_pte_lookup()`), is as after munmap: a walker that is still in the table finds none in every entry. With the fix, on two CPUs: chunks of MADV_DONTNEED below a
table's size, of it and above; `inject` are the two cases in which v3 warned; in `dontneed` two CPUs are at one table, in the checked kernel:

\(seen("reclaim"))

In none of these boots an entry was pending. Without the fix (2, counted):

\(seen("early"))

So `always-rcu` gives nothing here that the merged way lacks. Reclaim hands a table to mmu_gather as munmap does, whose batch waits for walkers, and the page then goes by its own rule; what always-rcu has to offer is that
the fallback need not wait in place (one-table.patch). What both lack: a page is freed when all of its fragments are, and a fragment is never handed out again. `sparse` keeps one table of 16, then makes all again and keeps
two, and so on: what the pages take has nothing to do with VmPTE any more, and grows. PT_RECLAIM here would want an allocator of fragments that takes them back.
The upper levels, which PT_RECLAIM leaves alone, would take an rcu_head, or another deferred free, of their own to be RCU-freed one by one. Powerpc's other MMUs were not looked at.

## All measurements

Measurements and races have a thread of qemu's for each CPU of the guest; all else, which runs two kernels at a time, has one for all: with several, this qemu does not wait for another CPU's TLB flush, and on
a busy host a store through a stale entry lands in a page that is free, with either variant (4 boots of 4 with radix and PAGE_POISONING beside two busy loops; with one thread 0 of 2).
With 1 and 4 CPUs only the two ways of the thread are measured, with 1 side by side, each on a CPU of the host; hash has no huge pages to collapse to with 4 KiB pages. In all boots
as many callbacks had run in the end as were queued, and nothing waited.

![run times](powerpc-fragments.svg)

![pages waiting](powerpc-fragments-waiting.svg)
\($tables)

\"Twice\": given to `call_rcu()` by a callback of RCU's, mmu_gather's; who waited in place (`inject`) is not among them. \"Within noise\": the ranges of the runs overlap. The mix ends after a time that is
given: its counters say how much was done. always-rcu-taught frees a few fragments fewer: those of the process before, which wait in no batch and are gone when counting begins. No p99 of less than 100 waits.
"
