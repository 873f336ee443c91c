"""Finite groups as tables, their irreducible representations, and Fourier.

A group of order n is a table over the indices 0 … n - 1: `table[g, h]` is gh, and
0 is the identity. Its irreducible representations are unitary matrices
`matrices[g]`, one set for each class over the complex numbers, real where they
can be. Conventions, for a signal x with one value per element:

- Fourier transform x̂[ρ] = Σ_g x[g] ρ(g)†, inverse x[g] = Σ_ρ (d_ρ/n) tr ρ(g) x̂[ρ],
- encoding of g by the shifted signal x_g[h] = x[gh], whence x̂_g[ρ] = x̂[ρ] ρ(g).
  The other side, x[hg], encodes the opposite group.

>>> group = dihedral(3)
>>> [(irrep.name, irrep.dimension) for irrep in group.irreps]
[('trivial', 1), ('sign', 1), ('rotation 1', 2)]
>>> x = np.arange(6.0)
>>> bool(np.allclose(inverse_fourier(group, fourier(group, x)), x))
True
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, permutations

import numpy as np
from jaxtyping import Complex, Float, Int

Matrices = Float[np.ndarray, "n d d"] | Complex[np.ndarray, "n d d"]
Coefficients = Sequence[Float[np.ndarray, "*_ _ _"] | Complex[np.ndarray, "*_ _ _"]]


@dataclass(frozen=True, eq=False)
class Irrep:
    """An irreducible unitary representation: `matrices[g]` is ρ(g)."""

    name: str
    matrices: Matrices

    @property
    def dimension(self) -> int:
        """d_ρ."""
        return self.matrices.shape[1]

    @property
    def character(self) -> Float[np.ndarray, " n"] | Complex[np.ndarray, " n"]:
        """χ(g) = tr ρ(g)."""
        return np.trace(self.matrices, axis1=1, axis2=2)


@dataclass(frozen=True, eq=False)
class Group:
    """A finite group; made by `cyclic`, `dihedral`, `symmetric`, …"""

    name: str
    elements: tuple[str, ...]
    table: Int[np.ndarray, "n n"]
    irreps: tuple[Irrep, ...]

    @property
    def order(self) -> int:
        """Number of elements."""
        return len(self.table)

    @cached_property
    def inverses(self) -> Int[np.ndarray, " n"]:
        """`inverses[g]` is the index of g⁻¹."""
        return np.argmin(self.table, axis=1)

    @cached_property
    def blocks(self) -> tuple[tuple[int, ...], ...]:
        """Indices of irreps that real signals excite together.

        A real signal has x̂[ρ̄] = conj x̂[ρ], so that a complex irrep and its
        conjugate form one block; every other irrep is a block of its own.
        """
        characters = np.array([irrep.character for irrep in self.irreps])
        overlaps = characters @ characters.T / self.order
        partners = np.argmax(np.abs(overlaps), axis=1)
        pairs = {tuple(sorted({i, int(j)})) for i, j in enumerate(partners)}
        return tuple(sorted(pairs))

    def indicator(self, irrep: int) -> int:
        """Frobenius–Schur indicator: 1 real, 0 complex, -1 quaternionic.

        The mean of χ(g²) over the group.

        Raises:
            ValueError: no irrep of this index.
        """
        if not 0 <= irrep < len(self.irreps):
            raise ValueError(f"irrep={irrep} must lie in 0 … {len(self.irreps) - 1}")
        squares = self.irreps[irrep].character[np.diag(self.table)]
        return int(np.rint(squares.mean().real))


def cyclic(order: int) -> Group:
    """Return C_n, the integers modulo n under addition, with irreps e^(2πikg/n)."""
    _at_least("order", order, 1)
    g = np.arange(order)
    waves = np.exp(2j * np.pi * (np.outer(g, g) % order) / order)
    irreps = []
    for k in range(order):
        wave = waves[k].real if 2 * k % order == 0 else waves[k]
        irreps.append(Irrep(f"frequency {k}", np.asarray(wave)[:, None, None]))
    table = (g[:, None] + g) % order
    return Group(f"C{order}", tuple(map(str, g)), table, tuple(irreps))


def product(first: Group, second: Group) -> Group:
    """Direct product: (g, h) has index g · |second| + h, irreps are Kronecker."""
    n, m = first.order, second.order
    table = first.table[:, None, :, None] * m + second.table[None, :, None, :]
    irreps = tuple(
        Irrep(
            f"{a.name} × {b.name}",
            np.einsum("gij,hkl->ghikjl", a.matrices, b.matrices).reshape(
                n * m, a.dimension * b.dimension, a.dimension * b.dimension
            ),
        )
        for a in first.irreps
        for b in second.irreps
    )
    elements = tuple(f"({g}, {h})" for g in first.elements for h in second.elements)
    name = f"{first.name} × {second.name}"
    return Group(name, elements, table.reshape(n * m, n * m), irreps)


def dihedral(sides: int) -> Group:
    """Return the 2n symmetries of a regular n-gon; r^a s^b has index a + n b."""
    _at_least("sides", sides, 3)
    a, b = np.tile(np.arange(sides), 2), np.repeat([0, 1], sides)
    turned = (a[:, None] + np.where(b[:, None], -a, a)) % sides
    table = turned + sides * ((b[:, None] + b) % 2)
    flip, turn = (-1.0) ** b, (-1.0) ** a
    lines: dict[str, np.ndarray] = {"trivial": flip**2, "sign": flip}
    if sides % 2 == 0:
        lines |= {"turn": turn, "turn × sign": turn * flip}
    irreps = [Irrep(name, line[:, None, None]) for name, line in lines.items()]
    for k in range(1, (sides + 1) // 2):
        cos, sin = (f(2 * np.pi * k * a / sides) for f in (np.cos, np.sin))
        plane = np.array([[cos, -sin * flip], [sin, cos * flip]])
        irreps.append(Irrep(f"rotation {k}", np.moveaxis(plane, 2, 0)))
    names = [f"r{i}" if i else "e" for i in range(sides)]
    names += [f"r{i}s" if i else "s" for i in range(sides)]
    return Group(f"D{sides}", tuple(names), table, tuple(irreps))


def symmetric(letters: int) -> Group:
    """Return the permutations of n letters, in lexicographic order; n = 2 … 5.

    gh permutes by h first. Irreps are Young's orthogonal form, named by their
    partitions of n: "3" is trivial, "2+1" the standard one, "1+1+1" the sign.
    """
    if not 2 <= letters <= 5:
        raise ValueError(f"letters={letters} must lie in 2 … 5")
    elements = np.array(list(permutations(range(letters))))
    place = {tuple(int(i) for i in p): index for index, p in enumerate(elements)}
    products = elements[:, elements]  # [g, h, i] = g(h(i))
    table = np.array([[place[tuple(p)] for p in row] for row in products.tolist()])
    swaps = []
    for i in range(letters - 1):
        swap = list(range(letters))
        swap[i : i + 2] = i + 1, i
        swaps.append(place[tuple(swap)])
    irreps = tuple(
        Irrep("+".join(map(str, shape)), _generate(table, swaps, _young(shape)))
        for shape in _partitions(letters)
    )
    names = tuple("".join(map(str, p + 1)) for p in elements)
    return Group(f"S{letters}", names, table, irreps)


def quaternion() -> Group:
    """Return the group of the eight quaternions 1, i, j, k, -1, -i, -j, -k.

    Its two-dimensional irrep is quaternionic: its character is real, but no basis
    makes its matrices so.
    """
    i, j = np.array([[1j, 0], [0, -1j]]), np.array([[0, 1], [-1, 0]])
    half = np.array([np.eye(2), i, j, i @ j])
    plane = np.concatenate([half, -half])
    products = np.einsum("gij,hjk->ghik", plane, plane)
    table = np.argmax(np.einsum("ghij,kij->ghk", products, plane.conj()).real, axis=2)
    lines = {"trivial": [1, 1], "i": [1, -1], "j": [-1, 1], "k": [-1, -1]}
    irreps = [
        Irrep(name, np.tile([1.0, si, sj, si * sj], 2)[:, None, None])
        for name, (si, sj) in lines.items()
    ]
    names = ("1", "i", "j", "k", "-1", "-i", "-j", "-k")
    return Group("Q8", names, table, (*irreps, Irrep("plane", plane)))


def fourier(group: Group, x: Float[np.ndarray, "*batch n"]) -> list[np.ndarray]:
    """Return x̂[ρ] = Σ_g x[g] ρ(g)† for every irrep, each of shape [*batch, d, d].

    Raises:
        ValueError: the last axis of x is not the group's order.
    """
    x = _signal(group, x)
    return [
        np.einsum("...g,gij->...ji", x, irrep.matrices.conj()) for irrep in group.irreps
    ]


def inverse_fourier(group: Group, coefficients: Coefficients) -> np.ndarray:
    """Return x[g] = Σ_ρ (d_ρ/n) tr(ρ(g) x̂[ρ]), real if its imaginary part rounds to 0.

    Raises:
        ValueError: not one matrix of the right size for every irrep.
    """
    shapes = [np.shape(c)[-2:] for c in coefficients]
    wanted = [(irrep.dimension, irrep.dimension) for irrep in group.irreps]
    if shapes != wanted:
        raise ValueError(f"coefficients have shapes {shapes}, must be {wanted}")
    x = sum(
        irrep.dimension
        / group.order
        * np.einsum("gij,...ji->...g", irrep.matrices, coefficient)
        for irrep, coefficient in zip(group.irreps, coefficients, strict=True)
    )
    scale = np.abs(x).max(initial=0)
    return x.real if np.abs(np.imag(x)).max(initial=0) <= 1e-12 * scale else x


def power(group: Group, x: Float[np.ndarray, "*batch n"]) -> np.ndarray:
    """Return how |x|² splits over `group.blocks`, shape [*batch, blocks].

    A block has Σ (d_ρ/n) ‖x̂[ρ]‖² over its irreps; by Plancherel they add up to |x|².

    Raises:
        ValueError: the last axis of x is not the group's order.
    """
    transform = fourier(group, x)
    parts = [
        irrep.dimension / group.order * np.sum(np.abs(coefficient) ** 2, axis=(-2, -1))
        for irrep, coefficient in zip(group.irreps, transform, strict=True)
    ]
    return np.stack([sum(parts[i] for i in block) for block in group.blocks], axis=-1)


def project(group: Group, x: Float[np.ndarray, "*batch n"], block: int) -> np.ndarray:
    """Return the part of the real signal x that lies in one of `group.blocks`.

    Raises:
        ValueError: no such block, or x of another length than the group's order.
    """
    if not 0 <= block < len(group.blocks):
        raise ValueError(f"block={block} must lie in 0 … {len(group.blocks) - 1}")
    kept = group.blocks[block]
    transform = fourier(group, x)
    return inverse_fourier(
        group, [c * (index in kept) for index, c in enumerate(transform)]
    )


def template(
    group: Group, coefficients: Mapping[str, np.ndarray | complex]
) -> np.ndarray:
    """Return the real signal with the given x̂[ρ], by name of irrep; zero elsewhere.

    A number stands for itself times the identity. The conjugate partner of a complex
    irrep is set along with it.

    Raises:
        ValueError: an unknown name, both names of a conjugate pair, a wrong shape, or
            coefficients that no real signal has (complex ones of a real irrep).
    """
    names = [irrep.name for irrep in group.irreps]
    unknown = set(coefficients) - set(names)
    if unknown:
        raise ValueError(f"coefficients names {sorted(unknown)}, must be of {names}")
    for pair in group.blocks:
        if len(pair) == 2 and {names[i] for i in pair} <= set(coefficients):
            raise ValueError(f"coefficients names both {[names[i] for i in pair]}")

    def matrix(irrep: Irrep) -> np.ndarray:
        value = np.asarray(coefficients.get(irrep.name, 0.0))
        return value * np.eye(irrep.dimension) if value.ndim == 0 else value

    paired = {i for block in group.blocks if len(block) == 2 for i in block}
    transform = [matrix(irrep) for irrep in group.irreps]
    x = inverse_fourier(group, transform)
    half = inverse_fourier(group, [c * (i in paired) for i, c in enumerate(transform)])
    x = x + half.conj()
    if np.abs(x.imag).max() > 1e-12 * np.abs(x).max():
        raise ValueError("coefficients must be those of a real signal")
    return x.real


def encode(group: Group, x: Float[np.ndarray, "..."]) -> Float[np.ndarray, "n n"]:
    """Return the encodings of all elements, row g holding x_g[h] = x[gh].

    Raises:
        ValueError: x is not one value per element.
    """
    if np.ndim(x) != 1:
        raise ValueError(f"x has shape {np.shape(x)}, must be one value per element")
    return _signal(group, x)[group.table]


def _signal(group: Group, x: np.ndarray) -> np.ndarray:
    x = np.asarray(x)
    if x.ndim < 1 or x.shape[-1] != group.order or not np.isfinite(x).all():
        raise ValueError(
            f"x has shape {x.shape}, must hold {group.order} finite values on its "
            "last axis"
        )
    return x


def _at_least(name: str, value: int, least: int) -> None:
    if value != int(value) or value < least:
        raise ValueError(f"{name}={value} must be a whole number from {least} on")


def _partitions(total: int, largest: int | None = None) -> list[tuple[int, ...]]:
    """Return the ways to write `total` as a sum of falling terms, the longest first."""
    if total == 0:
        return [()]
    return [
        (first, *rest)
        for first in range(min(total, largest or total), 0, -1)
        for rest in _partitions(total - first, first)
    ]


def _tableaux(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the standard tableaux: the row of each letter, in order of the letters."""
    if sum(shape) == 0:
        return [()]
    corners = [
        r for r, (here, below) in enumerate(pairwise((*shape, 0))) if here > below
    ]
    return [
        (*rows, r)
        for r in corners
        for rows in _tableaux((*shape[:r], shape[r] - 1, *shape[r + 1 :]))
    ]


def _young(shape: tuple[int, ...]) -> list[np.ndarray]:
    """Return Young's orthogonal matrices of the swaps (i, i + 1), for one partition."""
    tableaux = _tableaux(shape)
    place = {rows: index for index, rows in enumerate(tableaux)}
    matrices = []
    for i in range(sum(shape) - 1):
        matrix = np.zeros((len(tableaux), len(tableaux)))
        for index, rows in enumerate(tableaux):
            contents = [rows[:j].count(rows[j]) - rows[j] for j in (i, i + 1)]
            part = 1 / (contents[1] - contents[0])
            matrix[index, index] = part
            swapped = (*rows[:i], rows[i + 1], rows[i], *rows[i + 2 :])
            if rows[i] != rows[i + 1] and swapped in place:
                matrix[place[swapped], index] = np.sqrt(1 - part**2)
        matrices.append(matrix)
    return matrices


def _generate(table, generators, matrices) -> np.ndarray:
    """Return ρ of every element from ρ of generators, along products from e = 0."""
    known = {0: np.eye(len(matrices[0]))}
    frontier = [0]
    while frontier:
        g = frontier.pop()
        for generator, matrix in zip(generators, matrices, strict=True):
            h = int(table[g, generator])
            if h not in known:
                known[h] = known[g] @ matrix
                frontier.append(h)
    return np.array([known[g] for g in range(len(table))])
