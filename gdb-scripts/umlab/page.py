# SPDX-License-Identifier: GPL-2.0
"""Physical memory: page frames, their addresses and their struct page."""

import gdb

from . import lists
from .machines import machine

# The low bits of a page's mapping (include/linux/page-flags.h), which are macros there.
_FOLIO_MAPPING_ANON = 1
_FOLIO_MAPPING_FLAGS = 3

# The top byte of page_type when nothing owns the page (enum pagetype).
NO_TYPE = 0xFF


def size():
    """Return how many bytes (int) a page has: PAGE_SIZE."""
    return machine().page_size()


def phys_to_virt(phys):
    """Return the kernel's address (int) of physical address @phys (int): __va().

    >>> hex(phys_to_virt(0xa0b000))
    '0x60a0b000'
    """
    return machine().phys_to_virt(phys)


def virt_to_phys(virt):
    """Return the physical address (int) of kernel address @virt (int): __pa()."""
    return machine().virt_to_phys(virt)


def pfn_to_page(pfn):
    """Return the struct page * of page frame @pfn (int)."""
    kind = gdb.lookup_type("struct page")
    return gdb.Value(machine().first_page() + pfn * kind.sizeof).cast(kind.pointer())


def page_to_pfn(page):
    """Return the page frame number (int) of @page (struct page *, or its address)."""
    return (int(page) - machine().first_page()) // gdb.lookup_type("struct page").sizeof


def is_flat():
    """Return whether all struct pages are in one array, as on UML (FLATMEM) or in a vmemmap."""
    return machine().is_flat()


def frame_of(page):
    """Return the page frame number (int) of @page (struct page * or ptdesc *, or its address), checked.

    None if no struct page of this kernel is there, or if this memory model has no such array.
    """
    try:
        frame, rest = divmod(int(page) - machine().first_page(), gdb.lookup_type("struct page").sizeof)
        return frame if rest == 0 and is_frame(frame) else None
    except gdb.error:
        return None


def pfn_to_ptdesc(pfn):
    """Return the struct ptdesc * of the page table in page frame @pfn (int).

    A ptdesc is the struct page of a page that serves as a table, under
    another name: page_ptdesc().
    """
    return pfn_to_page(pfn).cast(gdb.lookup_type("struct ptdesc").pointer())


def refcount(page):
    """Return the reference count (int) of @page (struct page * or ptdesc *)."""
    field = "__page_refcount" if _is_ptdesc(page) else "_refcount"
    return int(page[field]["counter"])


def type_name(page):
    """Return what @page (struct page * or ptdesc *) serves as: "table", "buddy", "none"...

    The type is the top byte of page_type, an enum pagetype.
    """
    field = "__page_type" if _is_ptdesc(page) else "page_type"
    number = int(page[field]) >> 24 & 0xFF
    if number == NO_TYPE:
        return "none"
    for entry in gdb.lookup_type("enum pagetype").fields():
        if entry.enumval == number:
            return entry.name.replace("PGTY_", "")
    return "none"


def is_frame(pfn):
    """Return whether there is a page frame @pfn (int): pfn_valid(), but for holes."""
    return machine().is_frame(pfn)


def head_of(page):
    """Return the struct page * that heads the folio of @page (struct page *): compound_head()."""
    field = "compound_info" if lists.has_field(page.type.target(), "compound_info") else "compound_head"
    word = int(page[field])
    if word & 1:
        return gdb.Value(word - 1).cast(page.type)
    return page


def mapcount(page):
    """Return how many PTEs map the folio of one page at @page (struct page *): _mapcount + 1."""
    return int(page["_mapcount"]["counter"]) + 1


def flags(page):
    """Return the names (list of str) of the flags of @page (struct page *): enum pageflags.

    >>> flags(pfn_to_page(0xa0b))
    ['referenced', 'uptodate', 'lru', 'swapbacked']
    """
    word = page["flags"]
    if word.type.strip_typedefs().code != gdb.TYPE_CODE_INT:
        word = word["f"]
    return flag_names(int(word), anon=int(page["mapping"]) & _FOLIO_MAPPING_FLAGS == _FOLIO_MAPPING_ANON)


def flag_names(word, anon=False):
    """Return the names (list of str) of the flags in @word (int), a struct page's or a folio's flags.

    @anon: whether the page is anonymous (bool): one bit is PG_anon_exclusive then.
    """
    # A bit of several names (PG_checked, PG_owner_priv_1) counts once: the first.
    names = {}
    for entry in gdb.lookup_type("enum pageflags").fields():
        if entry.name.startswith("PG_"):
            names.setdefault(entry.enumval, entry.name[3:])
            if anon and entry.name == "PG_anon_exclusive":
                names[entry.enumval] = "anon_exclusive"
    return [name for bit, name in sorted(names.items()) if word >> bit & 1 and bit < _flag_bits()]


def _flag_bits():
    """The bits above __NR_PAGEFLAGS hold the zone and the node."""
    return next(f.enumval for f in gdb.lookup_type("enum pageflags").fields() if f.name == "__NR_PAGEFLAGS")


def _is_ptdesc(page):
    return page.type.strip_typedefs().target().name == "ptdesc"
