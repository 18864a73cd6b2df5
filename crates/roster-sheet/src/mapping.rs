//! Which column stands for which field.

use std::collections::HashMap;

use crate::{Error, Field, field::is_not_taken};

/// What somebody says a column stands for, by its title; `None`: it is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The title, as it stands in the file.
    pub title: String,
    /// What it stands for.
    pub field: Option<Field>,
}

impl Said {
    /// Reads `Title=field`, or `Title=` for a column that is left out.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((title, field)) = text.rsplit_once('=') else {
            return Err("a column is mapped as 'Title=field', and left out as 'Title='".to_owned());
        };
        let (title, field) = (title.trim(), field.trim());
        if title.is_empty() {
            return Err("a column is mapped by its title, as 'Title=field'".to_owned());
        }
        let field = match field {
            "" => None,
            name => Some(Field::parse(name).ok_or_else(|| {
                let names: Vec<_> = Field::names().collect();
                format!("there is no field {name:?}; the fields are {}, and metadata.NAME", names.join(", "))
            })?),
        };
        Ok(Self { title: title.to_owned(), field })
    }

    /// Reads a mapping that was saved: one to a line; what begins with `#` is for people.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        lines
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .map(|(number, line)| Self::parse(line).map_err(|why| format!("line {number}: {why}")))
            .collect()
    }
}

/// What the columns of a file stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// A field to a column, in the order of the columns.
    pub columns: Vec<Option<Field>>,
    by_field: HashMap<Field, usize>,
}

impl Mapping {
    /// Finds what columns of these titles stand for: what was said of them, or else what their titles are known for.
    pub fn of(titles: &[String], said: &[Said]) -> Result<Self, Error> {
        let said_of = |title: &String| said.iter().rev().find(|said| said.title.eq_ignore_ascii_case(title));
        let mut columns: Vec<Option<Field>> = Vec::with_capacity(titles.len());
        for title in titles {
            columns.push(match said_of(title) {
                Some(said) => said.field.clone(),
                None => Field::of_title(title),
            });
        }
        // A title that was said counts for more than one that is known.
        for (column, field) in columns.clone().iter().enumerate() {
            let is_said = |column: usize| said_of(&titles[column]).is_some_and(|said| said.field.is_some());
            let other =
                field.as_ref().and_then(|field| (0..column).find(|other| columns[*other].as_ref() == Some(field)));
            match (field, other) {
                (Some(_), Some(other)) if is_said(column) && !is_said(other) => columns[other] = None,
                (Some(_), Some(other)) if is_said(other) && !is_said(column) => columns[column] = None,
                (Some(field), Some(other)) => {
                    let titles = [titles[other].clone(), titles[column].clone()];
                    return Err(Error::TwoColumns { titles, field: field.to_string() });
                }
                _ => {}
            }
        }
        // One column with both names is read only where there is nothing better.
        if columns.iter().flatten().any(|field| matches!(field, Field::FirstName | Field::LastName)) {
            columns.iter_mut().for_each(|field| drop(field.take_if(|field| *field == Field::FullName)));
        }
        let by_field =
            columns.iter().enumerate().filter_map(|(column, field)| Some((field.clone()?, column))).collect();
        Ok(Self { columns, by_field })
    }

    /// The column that stands for this field.
    pub fn column(&self, field: &Field) -> Option<usize> {
        self.by_field.get(field).copied()
    }

    /// How many columns stand for something.
    pub fn known(&self) -> usize {
        self.by_field.len()
    }

    /// The titles that stand for nothing, though something may be meant by them.
    pub fn unknown<'t>(&self, titles: &'t [String]) -> impl Iterator<Item = &'t str> {
        let unknown = titles.iter().zip(&self.columns).filter(|(_, field)| field.is_none());
        unknown.map(|(title, _)| &**title).filter(|title| !title.is_empty() && !is_not_taken(title))
    }

    /// The mapping as it is saved, and can be given again.
    pub fn saved(&self, titles: &[String]) -> String {
        let lines = titles.iter().zip(&self.columns).filter(|(title, _)| !title.is_empty() && !is_not_taken(title));
        lines
            .map(|(title, field)| format!("{title}={}\n", field.as_ref().map_or(String::new(), Field::to_string)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    fn mapped(header: &str, said: &[&str]) -> Result<String, String> {
        let said: Vec<Said> = said.iter().map(|said| Said::parse(said).expect("it is well-formed")).collect();
        let titles = titles(header);
        let mapping = Mapping::of(&titles, &said).map_err(|error| error.to_string())?;
        let again =
            Mapping::of(&titles, &Said::parse_all(&mapping.saved(&titles))?).map_err(|error| error.to_string())?;
        assert_eq!(again, mapping, "what is saved says the same");
        Ok(mapping
            .columns
            .iter()
            .map(|field| field.as_ref().map_or("-".to_owned(), Field::to_string))
            .collect::<Vec<_>>()
            .join(","))
    }

    #[test]
    fn columns_find_their_fields() {
        let check = |header: &str, said: &[&str], expect: &str| assert_eq!(mapped(header, said).as_deref(), Ok(expect));
        check("First Name,Surname,Shoe size,_status", &[], "firstName,lastName,-,-");
        check("Name,Cell", &[], "name,phoneNumber");
        check("First,Last,Name", &[], "firstName,lastName,-");
        check("Work Email,Personal Email", &["work email=email"], "email,-");
        check("Work Email,Personal Email", &["Personal Email="], "email,-");
        check("Work Email,Personal Email", &["Personal Email=metadata.home"], "email,metadata.home");
        check("Title,Job title", &["Title="], "-,role");
        check("a=b,Last", &["a=b=firstName"], "firstName,lastName");
    }

    #[test]
    fn two_columns_for_one_field_are_refused() {
        let why = mapped("Work Email,Last,Personal Email", &[]).expect_err("it is refused");
        assert_eq!(
            why,
            "the columns \"Work Email\" and \"Personal Email\" both look like email; say which one is with --map 'Work \
             Email=email', or leave one out with --map 'Personal Email='"
        );
        assert!(mapped("A,B", &["A=email", "B=email"]).is_err());
    }

    #[test]
    fn what_is_said_is_read_or_refused() {
        assert_eq!(Said::parse(" Work Email = email ").map(|said| said.title), Ok("Work Email".to_owned()));
        assert!(Said::parse("email").is_err() && Said::parse("=email").is_err());
        assert!(
            Said::parse("a=mail")
                .expect_err("no field")
                .contains("there is no field \"mail\"; the fields are publicId")
        );
        assert_eq!(Said::parse_all("# x\n\na=email\nb\n").expect_err("no mapping")[..7], *"line 4:");
    }
}
