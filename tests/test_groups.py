"""Axioms, orthogonality, Plancherel and the side of the encoding, for every group."""

import numpy as np
import pytest

from learndyn import groups

C3, S3 = groups.cyclic(3), groups.symmetric(3)
OFFERED = [
    *(groups.cyclic(n) for n in (1, 2, 5, 6, 7)),
    *(groups.dihedral(n) for n in (3, 4, 5, 6)),
    *(groups.symmetric(n) for n in (2, 3, 4)),
    groups.quaternion(),
    groups.product(groups.cyclic(5), groups.cyclic(5)),
    groups.product(C3, S3),
    groups.product(groups.quaternion(), C3),
]
every_group = pytest.mark.parametrize("group", OFFERED, ids=lambda group: group.name)
ROUNDING = 1e-12  # far above 1e-16 times the at most 24 · 24 terms of a sum


def signals(group, count=3):
    return np.random.default_rng(0).normal(size=(count, group.order))


@every_group
def test_the_table_is_a_group(group):
    table, g = group.table, np.arange(group.order)
    assert (table[0] == g).all()
    assert (table[:, 0] == g).all()
    assert (table[table] == table[:, table]).all()  # (gh)k = g(hk)
    assert (table[g, group.inverses] == 0).all()
    assert (table[group.inverses, g] == 0).all()
    assert (np.sort(table, axis=1) == g).all()
    assert len(set(group.elements)) == group.order


@every_group
def test_irreps_are_unitary_representations(group):
    for irrep in group.irreps:
        rho = irrep.matrices
        products = np.einsum("gij,hjk->ghik", rho, rho)
        assert np.allclose(products, rho[group.table], atol=ROUNDING)
        unit = np.einsum("gij,gkj->gik", rho, rho.conj())
        assert np.allclose(unit, np.eye(irrep.dimension), atol=ROUNDING)


@every_group
def test_schur_orthogonality_of_all_matrix_entries(group):
    entries = np.concatenate(
        [
            np.sqrt(irrep.dimension / group.order)
            * irrep.matrices.reshape(group.order, -1).T
            for irrep in group.irreps
        ]
    )
    # A square unitary matrix: none is missing, none stands twice.
    assert entries.shape == (group.order, group.order)
    assert np.allclose(entries @ entries.conj().T, np.eye(group.order), atol=ROUNDING)


@every_group
def test_fourier_has_an_inverse_and_keeps_the_norm(group):
    x = signals(group)
    back = groups.inverse_fourier(group, groups.fourier(group, x))
    assert np.isrealobj(back)
    assert np.allclose(back, x, atol=ROUNDING)
    power = groups.power(group, x)
    assert power.shape == (3, len(group.blocks))
    assert np.allclose(power.sum(-1), (x**2).sum(-1), atol=ROUNDING)


@every_group
def test_projections_split_a_signal(group):
    x = signals(group)
    parts = [groups.project(group, x, b) for b in range(len(group.blocks))]
    assert all(np.isrealobj(part) for part in parts)
    assert np.allclose(sum(parts), x, atol=ROUNDING)
    squares = np.stack([(part**2).sum(-1) for part in parts], axis=-1)
    assert np.allclose(squares, groups.power(group, x), atol=ROUNDING)


@every_group
def test_encoding_turns_multiplication_into_matrices_on_the_right(group):
    x = signals(group)[0]
    transforms = groups.fourier(group, groups.encode(group, x))
    for irrep, shifted, plain in zip(
        group.irreps, transforms, groups.fourier(group, x), strict=True
    ):
        assert np.allclose(shifted, plain @ irrep.matrices, atol=ROUNDING)


def test_the_other_side_fails_when_elements_do_not_commute():
    x = signals(S3)[0]
    opposite = x[S3.table.T]  # x[hg]
    *_, coefficient, _ = groups.fourier(S3, opposite)
    *_, plain, _ = groups.fourier(S3, x)
    *_, irrep, _ = S3.irreps
    assert np.allclose(coefficient, irrep.matrices @ plain, atol=ROUNDING)
    assert np.abs(coefficient - plain @ irrep.matrices).max() > 0.1


def test_cyclic_transform_is_the_discrete_fourier_transform():
    x = signals(groups.cyclic(7))[0]
    ours = np.array(groups.fourier(groups.cyclic(7), x))[:, 0, 0]
    assert np.allclose(ours, np.fft.fft(x), atol=ROUNDING)


@pytest.mark.parametrize(
    ("group", "dimensions", "indicators"),
    [
        (groups.cyclic(4), [1, 1, 1, 1], [1, 0, 1, 0]),
        (groups.dihedral(4), [1, 1, 1, 1, 2], [1] * 5),
        (groups.dihedral(5), [1, 1, 2, 2], [1] * 4),
        (groups.symmetric(4), [1, 3, 2, 3, 1], [1] * 5),
        (groups.quaternion(), [1, 1, 1, 1, 2], [1, 1, 1, 1, -1]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_dimensions_and_kinds_are_those_of_the_books(group, dimensions, indicators):
    assert [irrep.dimension for irrep in group.irreps] == dimensions
    assert [group.indicator(i) for i in range(len(dimensions))] == indicators


@every_group
def test_real_irreps_have_real_matrices_and_blocks_pair_the_complex_ones(group):
    for i, irrep in enumerate(group.irreps):
        assert np.isrealobj(irrep.matrices) == (group.indicator(i) == 1)
    assert sorted(i for block in group.blocks for i in block) == list(
        range(len(group.irreps))
    )
    for block in group.blocks:
        kinds = {group.indicator(i) for i in block}
        assert kinds == {0} if len(block) == 2 else 0 not in kinds
        if len(block) == 2:
            first, second = (group.irreps[i].character for i in block)
            assert np.allclose(first, second.conj(), atol=ROUNDING)


def test_symmetric_three_is_dihedral_three():
    dihedral = groups.dihedral(3)
    characters = [
        sorted(tuple(np.sort(irrep.character).round(9)) for irrep in group.irreps)
        for group in (S3, dihedral)
    ]
    assert characters[0] == characters[1]


def test_permutations_compose_the_right_one_first():
    place = {name: index for index, name in enumerate(S3.elements)}
    # 213 swaps the first two, 132 the last two; 132 first, then 213: 1→1→2, 2→3→3.
    assert S3.elements[S3.table[place["213"], place["132"]]] == "231"


def test_a_template_has_the_coefficients_it_was_given():
    group = groups.dihedral(3)
    turn = np.array([[1.0, 2.0], [0.5, -1.0]])
    x = groups.template(group, {"sign": 3.0, "rotation 1": turn})
    trivial, sign, plane = groups.fourier(group, x)
    assert np.allclose(trivial, 0, atol=ROUNDING)
    assert np.allclose(sign, 3, atol=ROUNDING)
    assert np.allclose(plane, turn, atol=ROUNDING)


def test_a_template_sets_the_conjugate_partner():
    group = groups.cyclic(5)
    x = groups.template(group, {"frequency 2": 1 + 2j})
    assert np.isrealobj(x)
    assert np.allclose(np.fft.fft(x), [0, 0, 1 + 2j, 1 - 2j, 0], atol=ROUNDING)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: groups.cyclic(0), "order=0 must be"),
        (lambda: groups.dihedral(2), "sides=2 must be"),
        (lambda: groups.symmetric(6), "letters=6 must lie in"),
        (lambda: groups.fourier(C3, np.ones(4)), "must hold 3 finite values"),
        (
            lambda: groups.power(C3, np.array([1, np.nan, 0])),
            "must hold 3 finite values",
        ),
        (lambda: groups.encode(C3, np.ones((2, 3))), "one value per element"),
        (
            lambda: groups.inverse_fourier(C3, [np.eye(2)] * 3),
            "coefficients have shapes",
        ),
        (lambda: groups.project(C3, np.ones(3), 2), "block=2 must lie in 0 … 1"),
        (lambda: groups.template(C3, {"sign": 1.0}), "coefficients names"),
        (lambda: groups.template(C3, {"frequency 0": 1j}), "of a real signal"),
        (
            lambda: groups.template(C3, {"frequency 1": 1, "frequency 2": 1}),
            "coefficients names both",
        ),
        (lambda: C3.indicator(3), "irrep=3 must lie in"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
