use crate::RuleError;

/// Checks the answer to `rank`, and returns it as indices into the `offered` platforms.
///
/// # Errors
///
/// Fails if an index is out of range, and if one occurs twice.
pub fn check_ranking(ranking: &[u32], offered: usize) -> Result<Vec<usize>, RuleError> {
    let mut seen = vec![false; offered];
    let mut indices = Vec::with_capacity(ranking.len().min(offered));
    for &index in ranking {
        let position = usize::try_from(index).unwrap_or(usize::MAX);
        match seen.get_mut(position) {
            None => return Err(RuleError::IndexOutOfRange { index, offered }),
            Some(true) => return Err(RuleError::RepeatedIndex { index }),
            Some(seen) => *seen = true,
        }
        indices.push(position);
    }
    Ok(indices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_in_range_and_unique() {
        let max = u32::MAX;
        for (ranking, offered, expected) in [
            (&[2, 0][..], 3, Ok(vec![2, 0])),
            (&[], 3, Ok(vec![])),
            (&[], 0, Ok(vec![])),
            (&[0], 0, Err(RuleError::IndexOutOfRange { index: 0, offered: 0 })),
            (&[0, 3], 3, Err(RuleError::IndexOutOfRange { index: 3, offered: 3 })),
            (&[max], 3, Err(RuleError::IndexOutOfRange { index: max, offered: 3 })),
            (&[1, 0, 1], 3, Err(RuleError::RepeatedIndex { index: 1 })),
        ] {
            assert_eq!(check_ranking(ranking, offered), expected, "{ranking:?} of {offered}");
        }
    }
}
